// The page works without this file. It starts the design system's behaviour and says aloud what went wrong.

// What htmx fetched may be another page, such as the one on which one signs in: that is shown whole, not a part of it.
// Before anything is waited for: htmx does not wait for this file.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, serverResponse } = event.detail;
  if (event.detail.shouldSwap && !serverResponse.includes(`id="${elt.id}"`)) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

// The libraries' addresses carry a hash, which only the template knows.
const { govuk, moj } = document.querySelector("script[data-govuk]").dataset;

const design = await import(govuk);
design.initAll();

if (document.querySelector('[data-module^="moj-"]')) {
  const more = await import(moj);
  more.initAll();
}

// People who hear the page must learn from its title that the form was refused.
if (document.querySelector(".govuk-error-summary") && !document.title.startsWith("Error: ")) {
  document.title = `Error: ${document.title}`;
}

// A security key can be refused by the browser, by the key or by the person: the page says so instead of staying mute.
document.addEventListener("allauth.error", () => {
  const problem = document.getElementById("key-problem");
  if (problem) {
    problem.hidden = false;
    problem.focus();
  }
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
