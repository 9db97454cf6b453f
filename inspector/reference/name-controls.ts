/** Gives what Swagger UI leaves without a name one, for screen readers, and what scrolls a place in the keyboard's order. */

/** Attributes of elements, by selector. Null: the attribute is removed. */
const ATTRIBUTES: readonly (readonly [selector: string, name: string, value: string | null])[] = [
  [".information-container", "role", "region"],
  [".information-container", "aria-label", "About the API"],
  [".parameters select", "aria-label", "Value"],
  [".body-param select", "aria-label", "Kind of body"],
  [".opblock-section-request-body select", "aria-label", "Kind of body"],
  [".responses-wrapper select", "aria-label", "Kind of answer"],
  [".examples-select select", "aria-label", "Example"],
  ["pre.microlight", "tabindex", "0"],
  [".close-modal", "aria-label", "Close"],
  // Its name would be another than its text.
  [".auth-btn-wrapper button", "aria-label", null],
  // No level is left out between a heading and the one before it.
  ["h3.opblock-tag", "aria-level", "2"],
  [".modal-ux-header h3", "aria-level", "2"],
  ["h4", "aria-level", "3"],
];

/** Does so now and whenever something is added to the page. */
export function nameControls(place: Element): void {
  const name = (): void => {
    for (const [selector, attribute, value] of ATTRIBUTES) {
      for (const element of place.querySelectorAll(selector)) {
        if (element.getAttribute(attribute) === value) continue;
        if (value === null) element.removeAttribute(attribute);
        else element.setAttribute(attribute, value);
      }
    }
  };
  // Attributes are not observed, so this does not call itself.
  new MutationObserver(name).observe(place, { childList: true, subtree: true });
  name();
}
