// A button that copies what stands beside it, and says so, also to whoever listens.
document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const icon = button.querySelector(".material-symbols-outlined");
    const label = button.dataset.label ?? button.getAttribute("aria-label");
    button.dataset.label = label;
    let copied = true;
    try {
        await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
        copied = false;
        getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    }
    if (icon) icon.textContent = copied ? "check" : "keyboard";
    button.setAttribute("aria-label", copied ? "Copied" : "Selected: copy it with Ctrl-C");
    setTimeout(() => {
        if (icon) icon.textContent = "content_copy";
        button.setAttribute("aria-label", label);
    }, 2000);
});

// A menu behind "…" closes with Escape, and with a click elsewhere.
document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.more[open]")) {
        if (!menu.contains(event.target)) menu.open = false;
    }
});
document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.more[open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
    }
});

// Fields that search while one types are named after their label, and what they list is a list to whoever listens.
const named = () => {
    for (const input of document.querySelectorAll(".select2-search__field:not([aria-label])")) {
        const box = input.closest(".select2-container");
        const select = box?.previousElementSibling ?? document.querySelector("select.select2-hidden-accessible");
        const label = select?.labels?.[0]?.textContent.trim().replace("*", "");
        input.setAttribute("aria-label", label || "Search");
    }
    for (const clear of document.querySelectorAll("ul > .select2-selection__clear:not([role])")) {
        clear.setAttribute("role", "listitem");
    }
};
addEventListener("load", () => {
    named();
    new MutationObserver(named).observe(document.body, { childList: true, subtree: true });
});

// A moment is written in UTC: show it in the zone of whoever reads, in the same format. Its title goes on saying UTC.
const localTime = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
function localize(root) {
    for (const each of root.querySelectorAll("time[datetime]:not([data-local])")) {
        each.dataset.local = "";
        each.textContent = localTime.format(new Date(each.dateTime));
    }
}
document.addEventListener("DOMContentLoaded", () => localize(document));
