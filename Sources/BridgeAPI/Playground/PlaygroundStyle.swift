/// How the playground page looks: one column on a phone, two beside each other elsewhere, light or dark as the reader has it.
enum PlaygroundStyle {
    static let text = #"""
        :root { color-scheme: light dark;
          --page: #f6f7f8; --panel: #ffffff; --text: #1b1f24; --soft: #5a6470; --line: #d8dde3; --accent: #1f6feb; --on-accent: #ffffff;
          --mine: #e7f0fe; --bad: #b42318; --good: #1a7f4b; --wait: #b26a00;
          --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
        @media (prefers-color-scheme: dark) { :root {
          --page: #111418; --panel: #191d23; --text: #e6e9ed; --soft: #98a2ae; --line: #2d343d; --accent: #4c8df6; --on-accent: #08111f;
          --mine: #1c2a40; --bad: #ff8a7d; --good: #4cc38a; --wait: #f0b453; } }
        * { box-sizing: border-box; }
        html, body { height: 100%; }
        body { margin: 0; display: flex; flex-direction: column; background: var(--page); color: var(--text);
          font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        h1 { font-size: 1.05rem; margin: 0; letter-spacing: -0.01em; }
        h2 { font-size: 0.95rem; margin: 0; }
        header { display: flex; flex-wrap: wrap; gap: 0.3rem 1.4rem; align-items: baseline; padding: 0.7rem 1rem 0.5rem; }
        .state { margin: 0; display: flex; gap: 0.45rem; align-items: center; }
        #dot { width: 0.65rem; height: 0.65rem; border-radius: 50%; background: var(--soft); }
        #dot[data-state="open"] { background: var(--good); }
        #dot[data-state="wait"] { background: var(--wait); }
        #dot[data-state="bad"] { background: var(--bad); }
        .facts { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; margin: 0; font-size: 0.85rem; min-width: 0; }
        .facts div { display: flex; gap: 0.4rem; min-width: 0; }
        .facts dt { color: var(--soft); }
        .facts dd { margin: 0; font-family: var(--mono); overflow-wrap: anywhere; }
        .bar { display: flex; flex-wrap: wrap; gap: 0.5rem 0.9rem; align-items: end; padding: 0 1rem 0.7rem; }
        .bar label { display: grid; gap: 0.15rem; font-size: 0.8rem; color: var(--soft); }
        .bar .check { display: flex; align-items: center; gap: 0.35rem; height: 2.4rem; }
        .buttons { display: flex; gap: 0.5rem; }
        input, select, textarea, button { font: inherit; color: inherit; border: 1px solid var(--line); border-radius: 6px;
          background: var(--panel); padding: 0.4rem 0.6rem; }
        input:not([type="checkbox"]), select, button { height: 2.4rem; }
        input[type="checkbox"] { padding: 0; margin: 0; }
        textarea { resize: vertical; width: 100%; min-height: 3.1rem; }
        button { cursor: pointer; white-space: nowrap; }
        button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
        button:disabled, textarea:disabled { opacity: 0.5; cursor: default; }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
        #problem { margin: 0 1rem 0.7rem; padding: 0.5rem 0.7rem; border: 1px solid var(--bad); border-radius: 6px; color: var(--bad);
          overflow-wrap: anywhere; }
        main { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem;
          padding: 0 1rem 1rem; }
        section { min-height: 0; display: flex; flex-direction: column; background: var(--panel); border: 1px solid var(--line);
          border-radius: 10px; padding: 0.8rem; gap: 0.6rem; }
        .scroll { flex: 1; min-height: 0; overflow-y: auto; list-style: none; margin: 0; padding: 0 0.2rem 0 0; }
        .scroll:empty::before { color: var(--soft); }
        #talk:empty::before { content: "Start a session, then write to it."; }
        #log:empty::before { content: "Events show here as they come."; }
        #composer { display: flex; gap: 0.6rem; align-items: end; }
        #talk li { max-width: 88%; width: fit-content; margin: 0 0 0.6rem; padding: 0.5rem 0.75rem; border: 1px solid var(--line);
          border-radius: 10px; white-space: pre-wrap; overflow-wrap: anywhere; }
        #talk li[data-role="user"] { margin-left: auto; background: var(--mine); border-color: transparent; }
        #talk li[data-role="call"] { font-family: var(--mono); font-size: 0.85rem; }
        #talk li[data-role="note"], #talk li[data-role="bad"] { max-width: 100%; margin-left: auto; margin-right: auto; border: 0;
          padding: 0.1rem 0.5rem; color: var(--soft); font-size: 0.85rem; text-align: center; }
        #talk li[data-role="bad"] { color: var(--bad); }
        #talk li[data-open="true"]::after { content: "▍"; color: var(--accent); }
        #talk li:empty::before { content: "…"; color: var(--soft); }
        .talk h2 { line-height: 2.4rem; }
        .log-head { display: flex; gap: 0.6rem; align-items: center; }
        .log-head h2 { flex: 1; white-space: nowrap; }
        .log-head input { width: 11rem; min-width: 0; }
        #count { color: var(--soft); font-weight: 400; }
        #log { font: 0.8rem/1.5 var(--mono); }
        #log li { border-top: 1px solid var(--line); }
        #log summary { display: flex; gap: 0.7rem; padding: 0.25rem 0; cursor: pointer; overflow-wrap: anywhere; }
        #log summary::before { content: "▸"; color: var(--soft); }
        #log [open] summary::before { content: "▾"; }
        #log .id { color: var(--soft); min-width: 5.5ch; }
        #log .type { flex: 1; }
        #log .times { color: var(--soft); }
        #log li[data-kind="error"] .type { color: var(--bad); }
        #log li[data-kind="bridge"] .type { color: var(--wait); }
        #log pre { margin: 0 0 0.5rem; padding: 0.5rem; background: var(--page); border-radius: 6px; white-space: pre-wrap;
          overflow-wrap: anywhere; font: inherit; }
        .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        @media (max-width: 760px) {
          html, body { height: auto; }
          .state { flex: 1 0 100%; }
          main { grid-template-columns: minmax(0, 1fr); }
          .talk .scroll { min-height: 32vh; max-height: 60vh; }
          .log .scroll { max-height: 50vh; }
          .bar { display: grid; grid-template-columns: 1fr 1fr; }
          .bar .check { height: auto; }
          .bar .buttons { grid-column: 1 / -1; }
          .bar button { flex: 1; }
          /* Below that a phone magnifies the page when a field is entered. */
          input, select, textarea { font-size: 16px; min-width: 0; }
        }
        /* A phone on its side. */
        @media (min-width: 761px) and (max-height: 560px) {
          html, body { height: auto; }
          .scroll { min-height: 12rem; max-height: 80vh; }
        }
        @media (min-width: 1000px) { #log .id { min-width: 15ch; } }
        @media (prefers-reduced-motion: no-preference) { #dot[data-state="wait"] { animation: pulse 1.2s infinite alternate; } }
        @keyframes pulse { to { opacity: 0.35; } }
        """#
}
