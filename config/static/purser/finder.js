// A slash opens the finder wherever nobody types.
document.addEventListener("keydown", (event) => {
    const types = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || types) return;
    event.preventDefault();
    window.dispatchEvent(new CustomEvent("opencommand"));
});

// Enter goes to the first thing found, where no other was chosen: an id that was pasted is there at once.
document.addEventListener(
    "keydown",
    (event) => {
        if (event.key !== "Enter" || event.target.id !== "search-input-command") return;
        if (document.querySelector("#command-results-list li.active")) return;
        event.preventDefault();
        event.stopPropagation();
        document.querySelector("#command-results-list li a")?.click();
    },
    true,
);

// The finder has the focus as soon as it can take it. The theme tries once, soon after it is asked, and a busy browser shows it later than that.
const takeFocus = (tries = 120) => {
    const field = document.getElementById("search-input-command");
    if (!field || !tries || document.activeElement === field) return;
    field.focus();
    requestAnimationFrame(() => takeFocus(tries - 1));
};
addEventListener("opencommand", () => takeFocus());
addEventListener("keydown", (event) => {
    const types = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "k" && (event.ctrlKey || event.metaKey) && !types) takeFocus();
});
