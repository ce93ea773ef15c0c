// What plain pages cannot do by themselves. Everything works without it.
(() => {
  "use strict";
  const dialog = document.getElementById("dialog");

  // "/" goes to the search, as long as nobody is typing.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const search = document.getElementById("search");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    }
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
  });

  // News may take the place of a card while its menu is open: it stays open.
  const open = new Set();
  document.addEventListener("htmx:beforeSwap", () => {
    open.clear();
    for (const menu of document.querySelectorAll("section details.menu[open]")) {
      open.add(menu.closest("section").getAttribute("aria-labelledby"));
    }
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const menu of document.querySelectorAll("section details.menu")) {
      if (open.has(menu.closest("section").getAttribute("aria-labelledby"))) menu.open = true;
    }
  });

  // One menu at a time; a click elsewhere closes it.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // A question that has a page of its own is asked in a dialog over this one.
  const ask = async (href) => {
    try {
      const answer = await fetch(href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const question = page.getElementById("ask");
      if (answer.redirected || !question) throw new Error("no question there");
      dialog.replaceChildren(document.adoptNode(question));
      for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
      if (!dialog.open) dialog.showModal();
      dialog.querySelector("[autofocus], [aria-invalid]")?.focus();
    } catch {
      window.location.assign(href);
    }
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (!link || !dialog || !plain) return;
    event.preventDefault();
    ask(link.href);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-dialog]");
    if (!form || !dialog) return;
    event.preventDefault();
    ask(`${form.action}?${new URLSearchParams(new FormData(form))}`);
  });
  dialog?.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });

  // The token of a mailed link stands behind the #, where no server sees it.
  const token = document.querySelector("input[data-from-hash]");
  if (token && window.location.hash.length > 1) {
    token.value = window.location.hash.slice(1);
    history.replaceState(null, "", window.location.pathname);
    document.getElementById("new_password")?.focus();
  }
})();
