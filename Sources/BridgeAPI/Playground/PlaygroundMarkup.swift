/// What stands on the playground page.
enum PlaygroundMarkup {
    static let text = #"""
        <header>
          <h1>realtime-bridge</h1>
          <p class="state" role="status" aria-live="polite"><span id="dot" data-state="idle" aria-hidden="true"></span>
            <span id="state">No session</span></p>
          <dl class="facts">
            <div><dt>Session</dt><dd id="session">–</dd></div>
            <div><dt>Last id</dt><dd id="last">–</dd></div>
            <div><dt>Reconnects</dt><dd id="reconnects">0</dd></div>
          </dl>
        </header>
        <form id="settings" class="bar" autocomplete="off" aria-label="Session">
          <label>Model <input id="model" name="model" placeholder="server's default" spellcheck="false"></label>
          <label>Turn detection
            <select id="turns"><option value="off">off</option><option value="default">server's default</option></select></label>
          <label>Answers
            <select id="answers"><option value="text">text</option><option value="default">server's default</option></select></label>
          <label>Bridge key <input id="key" type="password" placeholder="if it asks for one" autocomplete="off"></label>
          <label class="check"><input id="speech" type="checkbox"> Play speech</label>
          <span class="buttons">
            <button type="submit" class="primary">New session</button>
            <button type="button" id="close" disabled>Close session</button>
          </span>
        </form>
        <p id="problem" role="alert" hidden></p>
        <main>
          <section class="talk" aria-labelledby="talk-title">
            <h2 id="talk-title">Conversation</h2>
            <ol id="talk" class="scroll" aria-live="polite" tabindex="0" aria-label="Messages"></ol>
            <form id="composer">
              <label for="text" class="hidden">Message</label>
              <textarea id="text" rows="2" placeholder="Write a message. Enter sends it." disabled></textarea>
              <span class="buttons">
                <button type="submit" id="send" class="primary" disabled>Send</button>
                <button type="button" id="stop" disabled>Stop</button>
              </span>
            </form>
          </section>
          <section class="log" aria-labelledby="log-title">
            <div class="log-head">
              <h2 id="log-title">Events <span id="count">0</span></h2>
              <label for="only" class="hidden">Show only types that contain</label>
              <input id="only" type="search" placeholder="filter by type" spellcheck="false">
              <button type="button" id="clear">Clear</button>
            </div>
            <ol id="log" class="scroll" tabindex="0" aria-label="Event log"></ol>
          </section>
        </main>
        <noscript><p>This page needs JavaScript. With curl: <code>curl -N localhost:8080/v1/sessions/ID/events</code></p></noscript>
        """#
}
