// The page works without this file. It starts the design system's behaviour and says aloud what went wrong.

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

// What changes while one looks on: the part is fetched anew, and the whole page once the part is no longer on it.
for (const part of document.querySelectorAll("[data-renew]")) {
  const renew = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page && page.querySelector("[data-renew]");
    if (page && !fresh) {
      location.reload();
      return;
    }
    if (fresh && !part.contains(document.activeElement)) {
      part.replaceChildren(...fresh.childNodes);
    }
    setTimeout(renew, part.dataset.renew * 1000);
  };
  setTimeout(renew, part.dataset.renew * 1000);
}
