/** Signing in: with the link that `npm start` prints, an API key, a user's token, or Supabase. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ask } from "../api.ts";
import { attempt, showProblem } from "../state/problem.ts";
import { signIn, signInWithSupabase, type SignInMethods } from "../state/sign-in.ts";

export function SignInView() {
  const methods = useSignal<SignInMethods | null>(null);
  useEffect(() => {
    document.title = "Sign in · Threadkeep inspector";
    // An earlier error, such as a link that was used already, stays visible.
    ask<SignInMethods>("GET", "/inspector/sign-in-methods").then((found) => (methods.value = found), showProblem);
  }, []);
  const [project] = methods.value?.supabase ?? [];
  return (
    <main class="sign-in">
      <h1>See what a chat remembers</h1>
      <p class="lead">
        Threadkeep keeps the memory of your chats. Here you see each conversation beside exactly what the model gets of
        it, and why.
      </p>
      <div class="ways">
        <section aria-labelledby="way-link">
          <h2 id="way-link">On your machine</h2>
          <p>
            <code>npm start</code> prints a link that signs you in, once. <code>npm run inspect</code> prints another.
          </p>
        </section>
        <KeyForm takesTokens={methods.value?.tokens === true} />
        {project === undefined ? null : <SupabaseForm issuer={project} />}
      </div>
      <p class="note">What you enter is kept only in this page's memory; reloading or closing the page forgets it.</p>
    </main>
  );
}

function KeyForm({ takesTokens }: { takesTokens: boolean }) {
  const bearer = useSignal("");
  return (
    <section aria-labelledby="way-key">
      <h2 id="way-key">With a key{takesTokens ? " or a token" : ""}</h2>
      <form
        autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(() => signIn(bearer.value.trim()));
        }}
      >
        <label>
          API key, admin key{takesTokens ? ", or a user's token" : ""}
          <input
            type="password"
            required
            autocomplete="off"
            spellcheck={false}
            value={bearer.value}
            onInput={({ currentTarget }) => (bearer.value = currentTarget.value)}
          />
        </label>
        <button type="submit">Sign in</button>
      </form>
    </section>
  );
}

function SupabaseForm({ issuer }: { issuer: string }) {
  const email = useSignal("");
  const password = useSignal("");
  const publishableKey = useSignal("");
  return (
    <section aria-labelledby="way-supabase">
      <h2 id="way-supabase">As a user of {new URL(issuer).host}</h2>
      <form
        autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(() =>
            signInWithSupabase({
              issuer,
              publishableKey: publishableKey.value.trim(),
              email: email.value,
              password: password.value,
            }),
          );
        }}
      >
        <label>
          E-mail
          <input
            type="email"
            required
            value={email.value}
            onInput={({ currentTarget }) => (email.value = currentTarget.value)}
          />
        </label>
        <label>
          Password
          <input
            type="password"
            required
            autocomplete="off"
            value={password.value}
            onInput={({ currentTarget }) => (password.value = currentTarget.value)}
          />
        </label>
        <label>
          The project's publishable key
          <input
            type="text"
            required
            spellcheck={false}
            value={publishableKey.value}
            onInput={({ currentTarget }) => (publishableKey.value = currentTarget.value)}
          />
        </label>
        <button type="submit">Sign in with Supabase</button>
      </form>
    </section>
  );
}
