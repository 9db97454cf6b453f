/** The key: taken, tried, forgotten. */
export const KEY_SCRIPT = String.raw`
// The key.

function showSignedIn() {
  const signedIn = sessionStorage.getItem(KEY) !== null;
  const user = sessionStorage.getItem(USER);
  byId("key-form").hidden = signedIn;
  byId("signed-in").hidden = !signedIn;
  byId("who").textContent = user ? "Sessions of " + user : "Sessions of the tenant";
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  const user = byId("user").value.trim();
  if (user) sessionStorage.setItem(USER, user);
  attempt(start);
});

byId("forget").addEventListener("click", () => {
  forgetKey();
  history.replaceState(null, "", location.pathname);
  location.reload();
});

function forgetKey() {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(USER);
}

async function start() {
  try {
    await loadSessions(true);
  } catch (error) {
    // A key that was refused is not kept.
    if (!(error instanceof TypeError)) forgetKey();
    throw error;
  } finally {
    showSignedIn();
  }
  byId("key").value = "";
  await followAddress();
}
`;
