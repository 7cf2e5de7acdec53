// The styles of the widget. A page sets the custom properties whose names begin with `--vivavoce-`, and styles
// the parts.

export const STYLE = `
:host {
  color-scheme: light dark;
  --paper: var(--vivavoce-background, light-dark(#f7f2e8, #171513));
  --ink: var(--vivavoce-text, light-dark(#211c16, #efe8dc));
  --muted: var(--vivavoce-muted, light-dark(#655b4e, #aea394));
  --line: var(--vivavoce-border, light-dark(#d9ccb6, #3b352e));
  --assistant: var(--vivavoce-assistant, light-dark(#b23a1d, #ff8763));
  --user: var(--vivavoce-user, light-dark(#1d6152, #74cbb4));
  --on-user: var(--vivavoce-on-user, light-dark(#fffdf8, #0f1f1b));
  font: 16px/1.45 var(--vivavoce-font, ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif);
  color: var(--ink);
  position: fixed;
  inset: auto var(--vivavoce-right, 1.25rem) var(--vivavoce-bottom, 1.25rem) auto;
  z-index: var(--vivavoce-z-index, 2147483000);
}
:host([inline]) { position: static; display: block; }
:host([hidden]) { display: none; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
p { margin: 0; }
button, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 0; }
:focus-visible { outline: 2px solid var(--user); outline-offset: 2px; }
.launcher {
  display: flex; align-items: center; gap: .6rem; min-height: 3rem; padding: .5rem 1.1rem .5rem .6rem;
  border-radius: 2rem; background: var(--user); color: var(--on-user);
  box-shadow: 0 4px 18px rgb(0 0 0 / .22);
}
.launcher svg { margin: 0; width: 2rem; height: 2rem; }
.panel {
  display: flex; flex-direction: column; width: min(23rem, calc(100vw - 2rem));
  height: min(34rem, calc(100dvh - 3rem)); background: var(--paper); border: 1px solid var(--line);
  border-radius: var(--vivavoce-radius, 14px); overflow: hidden;
  box-shadow: 0 10px 40px rgb(0 0 0 / .25);
}
:host([inline]) .panel { width: 100%; box-shadow: none; }
header { display: flex; align-items: center; gap: .6rem; padding: .7rem .8rem; border-bottom: 1px solid var(--line); }
header svg { width: 1.9rem; height: 1.9rem; flex: none; color: var(--muted); }
.panel[data-phase=listening] header svg { color: var(--user); }
.panel[data-phase=speaking] header svg { color: var(--assistant); }
header div { flex: 1; min-width: 0; }
header b { display: block; font: 600 1.05rem/1.2 var(--vivavoce-title-font, Georgia, serif); }
.status { font-size: .8rem; color: var(--muted); min-height: 1.15em; }
.icon { background: none; border-radius: 50%; width: 2.5rem; height: 2.5rem; flex: none; font-size: 1.2rem; }
button svg { display: block; width: 1.15rem; height: 1.15rem; margin: auto; }
path { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.panel:not([data-phase=idle]) .start { flex: none; }
.panel:not([data-phase=idle]) :is(.start .description, .start [part=write]) { display: none; }
.icon:hover { background: var(--line); }
.start, .lines { flex: 1; min-height: 0; overflow-y: auto; padding: 1rem; }
.start { display: flex; flex-direction: column; gap: .8rem; justify-content: safe center; }
.start .description { font: italic 1.15rem/1.4 var(--vivavoce-title-font, Georgia, serif); }
.consent { font-size: .88rem; color: var(--muted); border-left: 2px solid var(--line); padding-left: .7rem; white-space: pre-line; }
.primary, .second { min-height: 2.75rem; padding: .4rem 1rem; border-radius: 2rem; }
.primary { background: var(--user); color: var(--on-user); }
.second { background: none; border: 1px solid var(--line); }
.line { margin-bottom: .8rem; overflow-wrap: anywhere; }
.line b { display: block; font-size: .75rem; font-weight: 600; color: var(--assistant); }
.line.user b { color: var(--user); }
.line p { white-space: pre-line; }
.line .rest { color: var(--muted); opacity: .75; }
.trouble { padding: .5rem .9rem; font-size: .86rem; border-top: 1px solid var(--line); color: var(--assistant); }
form { display: flex; align-items: end; gap: .4rem; padding: .6rem; border-top: 1px solid var(--line); }
textarea {
  flex: 1; min-width: 0; resize: none; height: 2.75rem; max-height: 7rem; padding: .6rem .8rem;
  border: 1px solid var(--line); border-radius: 1.4rem; background: transparent; field-sizing: content;
}
form .icon { background: var(--line); width: 2.75rem; height: 2.75rem; }
form .send { background: var(--user); color: var(--on-user); }
.microphone[aria-pressed=true] { background: var(--user); color: var(--on-user); }
.quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
circle { transform-box: fill-box; transform-origin: center; transform: scale(calc(.55 + .45 * var(--level, 0))); transition: transform 80ms; }
@media (prefers-reduced-motion: reduce) { circle { transition: none; transform: none; } }
@media (max-width: 480px) {
  :host(:not([inline])) .panel { width: calc(100vw - 1.5rem); height: min(40rem, calc(100dvh - 1.5rem)); }
}
`;
