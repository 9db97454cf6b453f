/** What menus need that `<details>` does not do by itself: Escape closes them, and the focus is not lost with what they hide. */

/** Closes the menu around an element; the focus returns to what opened it. */
export function closeMenu(within: Element): void {
  const menu = within.closest("details");
  if (menu === null || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary")?.focus();
}

export function closeOnEscape(event: KeyboardEvent & { currentTarget: Element }): void {
  if (event.key !== "Escape") return;
  closeMenu(event.currentTarget);
}
