/** The frame around every view: the navigation, who is signed in, and whose sessions are shown. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { user, waitingUntil } from "./api.ts";
import { closeMenu, closeOnEscape } from "./parts/menu.ts";
import { ProblemLine } from "./parts/problem-line.tsx";
import { visibleText } from "./parts/visible-text.tsx";
import { notice, openDialogs } from "./state/problem.ts";
import { go, route } from "./state/route.ts";
import { caller, canSwitchUser, isOperator, signOut } from "./state/sign-in.ts";
import { moment } from "./text.ts";
import { OperationsView } from "./views/operations.tsx";
import { SessionView } from "./views/session.tsx";
import { SessionsView } from "./views/sessions.tsx";
import { SignInView } from "./views/sign-in.tsx";
import { UserPicker } from "./views/user-picker.tsx";
import { UserView } from "./views/user.tsx";

export function App() {
  return (
    <>
      <a class="skip" href="#app" onClick={skip}>
        Skip to the content
      </a>
      <TopBar />
      <Told />
      {caller.value === null ? <SignInView /> : <View />}
    </>
  );
}

/** The address fragment belongs to the views, so the skip link moves the focus by script. */
function skip(event: Event): void {
  event.preventDefault();
  focusContent();
}

function focusContent(): void {
  const main = document.querySelector("main");
  main?.setAttribute("tabindex", "-1");
  main?.focus();
}

function View() {
  const shown = route.value;
  const isFirst = useRef(true);
  const place = shown.view === "session" ? shown.id : shown.view;
  useEffect(() => {
    // The link that was followed is gone with its view: without this, the keyboard would begin at the top again.
    if (!isFirst.current && document.activeElement === document.body) focusContent();
    isFirst.current = false;
  }, [place]);
  switch (shown.view) {
    case "session":
      return <SessionView key={`${user.value} ${shown.id}`} id={shown.id} seq={shown.seq} />;
    case "user":
      return <UserView key={user.value} />;
    case "operations":
      return <OperationsView />;
    default:
      return <SessionsView key={user.value} />;
  }
}

function TopBar() {
  const { view } = route.value;
  const isSignedIn = caller.value !== null;
  const link = (to: string, name: string, isHere: boolean) => (
    <a href={to} {...(isHere ? { "aria-current": "page" as const } : {})}>
      {name}
    </a>
  );
  return (
    <header class="top">
      <a class="brand" href="#/">
        Threadkeep
      </a>
      {isSignedIn ? (
        <nav aria-label="Views">
          {link("#/sessions", "Sessions", view === "sessions" || view === "session")}
          {link("#/user", "Memory", view === "user")}
          {isOperator.value ? link("#/operations", "Operations", view === "operations") : null}
        </nav>
      ) : null}
      <span class="grow" />
      {isSignedIn ? <Who /> : null}
      <a href="/docs">API</a>
    </header>
  );
}

/** Shows whose sessions are shown, and lets one switch. */
function Who() {
  const found = caller.value;
  const isOpen = useSignal(false);
  const menu = useRef<HTMLDetailsElement>(null);
  if (found === null) return null;
  return (
    <details
      class="menu who"
      ref={menu}
      onKeyDown={closeOnEscape}
      onToggle={({ currentTarget }) => (isOpen.value = currentTarget.open)}
    >
      <summary>
        {canSwitchUser.value ? (
          user.value === "" ? (
            "User: none"
          ) : (
            <>User: {visibleText(user.value)}</>
          )
        ) : (
          <>Signed in as {visibleText(found.owner)}</>
        )}
      </summary>
      <div>
        {isOpen.value && canSwitchUser.value ? (
          <UserPicker
            key={user.value}
            onChosen={(id) => {
              user.value = id;
              if (menu.current !== null) closeMenu(menu.current);
              if (route.value.view === "session") go("#/sessions");
            }}
          />
        ) : null}
        <p class="note">
          Tenant {found.tenant}. {found.expiresAt === null ? "" : `Signed in until ${moment(found.expiresAt)}.`}
        </p>
        <button type="button" class="secondary" onClick={signOut}>
          Sign out
        </button>
      </div>
    </details>
  );
}

function Told() {
  return (
    <>
      {openDialogs.value === 0 ? <ProblemLine /> : null}
      <div role="status" class="notice" hidden={waitingUntil.value === null}>
        {waitingUntil.value === null
          ? null
          : "Too many requests at once: the page waits some seconds, as the service asked, then continues."}
      </div>
      <div role="status" class="notice" hidden={notice.value === ""}>
        {notice.value === "" ? null : (
          <>
            <span>{notice.value}</span>
            <button type="button" class="quiet" onClick={() => (notice.value = "")} aria-label="Close">
              ✕
            </button>
          </>
        )}
      </div>
    </>
  );
}
