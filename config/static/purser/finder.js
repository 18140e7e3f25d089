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
