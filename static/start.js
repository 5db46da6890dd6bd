// Runs before the page is drawn, so that nothing jumps: the style sheets hide some parts only where scripts work.
document.body.classList.add("js-enabled");
if ("noModule" in HTMLScriptElement.prototype) {
  document.body.classList.add("govuk-frontend-supported");
}
