// What somebody typed is not lost where the login had ended meanwhile, or who is there had to be shown again: it waits in this tab, and no
// longer than until they are back on the same page. Passwords, codes and files are never kept.
const TYPED = "purser.typed";
const UNKEPT = new Set(["csrfmiddlewaretoken", "once"]);
const isOnTheWay = /^\/admin\/(login|second-step|is-it-you)\//.test(location.pathname);

function valueOf(form, name, value) {
    const field = form.querySelector(`select[name="${CSS.escape(name)}"]`);
    const label = [...(field?.options ?? [])].find((option) => option.value === value)?.text ?? "";
    return { name, value, label };
}

document.addEventListener("submit", (event) => {
    const form = event.target;
    if (isOnTheWay || form.method !== "post") return;
    const secret = new Set([...form.querySelectorAll("[type=password], [autocomplete=one-time-code]")].map((field) => field.name));
    const values = [...new FormData(form)]
        .filter(([name, value]) => typeof value === "string" && !UNKEPT.has(name) && !secret.has(name))
        .map(([name, value]) => valueOf(form, name, value));
    const to = new URL(form.action, location.href);
    sessionStorage.setItem(TYPED, JSON.stringify({ path: to.pathname + to.search, values }));
});

function put(field, values) {
    if (field.type === "checkbox" || field.type === "radio") {
        field.checked = values.some(({ value }) => value === field.value);
    } else if (field.tagName === "SELECT") {
        for (const { value, label } of values) {
            if (![...field.options].some((option) => option.value === value)) field.add(new Option(label, value));
        }
        for (const option of field.options) option.selected = values.some(({ value }) => value === option.value);
    } else if (values.length === 1) {
        field.value = values[0].value;
    }
    field.dispatchEvent(new Event("change", { bubbles: true }));
}

function putBack(form, values) {
    for (const field of form.elements) {
        const isOurs = field.name && !UNKEPT.has(field.name) && !["hidden", "submit", "button", "file", "password"].includes(field.type);
        if (isOurs) put(field, values.filter(({ name }) => name === field.name));
    }
    const note = document.createElement("p");
    note.className = "op-note";
    note.setAttribute("role", "status");
    note.textContent = "What you typed is back: your login had ended meanwhile. Nothing was done yet.";
    form.prepend(note);
}

addEventListener("load", () => {
    const kept = JSON.parse(sessionStorage.getItem(TYPED) ?? "null");
    if (kept === null) return;
    if (isOnTheWay) {
        const leadsThere = new URLSearchParams(location.search).get("next") === kept.path;
        if (leadsThere) sessionStorage.setItem(TYPED, JSON.stringify({ ...kept, waits: true }));
        else sessionStorage.removeItem(TYPED);
        return;
    }
    sessionStorage.removeItem(TYPED);
    if (!kept.waits || kept.path !== location.pathname + location.search) return;
    const names = new Set(kept.values.map(({ name }) => name));
    const form = [...document.querySelectorAll("form")].find((each) => each.method === "post" && [...each.elements].some((field) => names.has(field.name) && field.type !== "hidden"));
    if (form) putBack(form, kept.values);
});
