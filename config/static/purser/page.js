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

// What the theme's and Django's scripts make has no name, or a wrong one: fields that search while one types are called as their label says, and
// what explains a sign is the sign's own text.
const labelOf = (select) => select?.labels?.[0]?.textContent.trim().replace("*", "") || "Search";
const named = () => {
    for (const box of document.querySelectorAll("select.select2-hidden-accessible + .select2-container:not([data-named])")) {
        const label = labelOf(box.previousElementSibling);
        const field = box.querySelector(".select2-selection");
        const chosen = box.querySelector(".select2-selection__rendered[role=textbox]");
        box.dataset.named = "";
        chosen?.setAttribute("aria-label", label);
        if (!chosen || !field) continue;
        // The label, and what is chosen.
        field.setAttribute("aria-label", label);
        field.id ||= `${chosen.id}-field`;
        field.setAttribute("aria-labelledby", `${field.id} ${chosen.id}`);
    }
    for (const input of document.querySelectorAll(".select2-search__field:not([aria-label])")) {
        const box = input.closest(".select2-container");
        input.setAttribute("aria-label", labelOf(box?.previousElementSibling ?? document.querySelector("select.select2-hidden-accessible")));
    }
    for (const clear of document.querySelectorAll("ul > .select2-selection__clear:not([role])")) {
        clear.setAttribute("role", "listitem");
    }
    for (const sign of document.querySelectorAll(".help-tooltip[aria-label]:not([role])")) {
        sign.setAttribute("role", "img");
    }
    // An icon is a word to whoever listens: beside other words it says nothing, alone it is the name of its button.
    for (const icon of document.querySelectorAll(".material-symbols-outlined:not([aria-hidden], [aria-label])")) {
        const around = icon.closest("a, button, summary, h2") ?? icon.parentElement;
        if (around.textContent.trim() !== icon.textContent.trim()) icon.setAttribute("aria-hidden", "true");
    }
};
addEventListener("load", () => {
    named();
    new MutationObserver(named).observe(document.body, { childList: true, subtree: true });
});

// Whose password a form changes is a hidden name, which the theme does not call one to password managers.
document.addEventListener("DOMContentLoaded", () => {
    document.querySelector("input.hidden[name=username]")?.setAttribute("autocomplete", "username");
});

// A moment is written in UTC: show it in the zone of whoever reads, in the same format. Its title goes on saying UTC.
const localTime = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
const clockTime = new Intl.DateTimeFormat("sv-SE", { timeStyle: "medium" });
const dayOfTime = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
function localize(root) {
    for (const each of root.querySelectorAll("time[datetime]:not([data-local])")) {
        const at = new Date(each.dateTime);
        each.dataset.local = "";
        if ("short" in each.dataset) {
            const isToday = at.toDateString() === new Date().toDateString();
            each.textContent = (isToday ? "" : `${dayOfTime.format(at)}, `) + clockTime.format(at);
        } else {
            each.textContent = localTime.format(at);
        }
    }
}
document.addEventListener("DOMContentLoaded", () => localize(document));

// The theme hides a page until its scripts run, and what is hidden takes no focus: give it where a page asks for it. The browser tries first, before
// the next frame, and complains where somebody was faster.
addEventListener("load", () => {
    requestAnimationFrame(() => {
        if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();
    });
});

// The tab that is open is in sight, however narrow the page.
addEventListener("load", () => {
    document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
});

// What is done to many goes on portion by portion while somebody looks at it, each no longer than a page takes. Whatever comes between leaves it to a worker.
const goOn = async (form) => {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    const { done, percent, left } = await answer.json();
    document.querySelector("[data-done]").textContent = done;
    document.querySelector("[data-percent]").style.width = `${percent}%`;
    return left;
};
addEventListener("load", async () => {
    const form = document.querySelector("form[data-go-on]");
    let before = form ? Infinity : 0;
    try {
        while (before && !document.hidden) {
            const left = await goOn(form);
            if (left >= before) return;
            before = left;
        }
        if (form && !before) location.reload();
    } catch {
        // The page looks again by itself.
    }
});

// Rows of a list are one line each: where there is no room for all of its texts, they are cut, the sentences before the names, and no column is out of
// sight.
const WIDTHS = [[16, 40], [16, 28], [16, 20], [16, 14], [13, 11], [10, 11], [8, 10], [6, 9], [5, 8]];
const fit = () => {
    const list = document.querySelector("#result_list");
    for (const [text, long] of list ? WIDTHS : []) {
        list.style.setProperty("--text", `${text}rem`);
        list.style.setProperty("--long", `${long}rem`);
        if (list.scrollWidth <= list.parentElement.clientWidth) break;
    }
};
addEventListener("load", fit);
addEventListener("resize", fit);

// What a row of a list has no room for is said where the pointer rests.
document.addEventListener("mouseover", (event) => {
    const cell = event.target.closest?.("#result_list tbody :is(td, th)");
    if (cell && !cell.title && cell.scrollWidth > cell.clientWidth) cell.title = cell.innerText.trim();
});

// A page that shows how far something is looks again by itself, while somebody looks at it.
addEventListener("load", () => {
    const seconds = Number(document.querySelector("[data-look-again]")?.dataset.lookAgain);
    if (seconds) setInterval(() => document.hidden || location.reload(), seconds * 1000);
});
