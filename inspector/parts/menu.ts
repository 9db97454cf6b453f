/** What menus (`<details class="menu">`) need that `<details>` does not do by itself: to close, without losing the focus. */

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

/**
 * Closes open menus when somebody presses or moves the focus elsewhere. The loss of the focus alone is no sign of that:
 * it is also lost when the page draws the elements around a menu again.
 */
export function closeMenusWhenLeft(): void {
  for (const event of ["pointerdown", "focusin"] as const) {
    document.addEventListener(event, ({ target }) => {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        if (!(target instanceof Node && menu.contains(target))) menu.removeAttribute("open");
      }
    });
  }
}
