"""The built book in a real browser that reaches no network: it loads, formulas stand, solutions open, phones fit."""

import os
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .conftest import missing, pages

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless=new --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars"
)
NAMES = [str(page).partition("/_build/html/")[2] for page in pages()]
# What MathJax draws in place of what it does not understand.
MISSET = "mjx-container :is([data-mml-node='merror'], [fill='red'])"
PHONE, DESK = (390, 844), (1280, 900)


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address(site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    binary = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        missing("The pages are not tested in a browser: Chromium and chromedriver were not found.")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in QUIET.split():
        options.add_argument(argument)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    # No name is resolved but this machine's: what a page needs from elsewhere fails, and the console says so.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    chrome.set_page_load_timeout(120)
    chrome.set_script_timeout(120)
    yield chrome
    chrome.quit()


@pytest.fixture
def visit(browser, address):
    """Return a function that opens a page at a size, waits for its formulas, and returns the browser."""

    def open_page(name, size=DESK, theme="light"):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size is PHONE},
        )
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(f"{address}/{name}")
        browser.execute_async_script(
            "const done = arguments[0]; window.MathJax?.startup?.promise ? "
            "MathJax.startup.promise.then(done) : (document.readyState === 'complete' ? done() : "
            "addEventListener('load', () => window.MathJax?.startup?.promise.then(done) ?? done()))"
        )
        # Without transitions, and two frames later: half-way colours would be judged otherwise.
        browser.execute_async_script(
            "const still = document.createElement('style');"
            "still.textContent = '*, *::before, *::after { transition: none !important }';"
            "document.head.append(still); document.documentElement.dataset.theme = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(arguments[1]))",
            theme,
        )
        return browser

    return open_page


@contextmanager
def added(browser, html):
    """Put `html` at the head of the article for a while: what a control must find."""
    browser.execute_script(
        "const box = document.createElement('div'); box.id = 'control'; box.innerHTML = arguments[0];"
        "document.querySelector('article').prepend(box)",
        html,
    )
    yield
    browser.execute_script("document.getElementById('control').remove()")


def shown(browser, element) -> bool:
    return browser.execute_script("return arguments[0].checkVisibility({visibilityProperty: true})", element)


@pytest.mark.parametrize("name", NAMES)
def test_page_loads_and_complains_of_nothing(visit, name):
    browser = visit(name)
    assert browser.find_elements("css selector", "article h1")
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    pictures = "return [...document.images].filter(i => i.loading !== 'lazy' && !i.naturalWidth).map(i => i.src)"
    assert browser.execute_script(pictures) == []


@pytest.mark.parametrize("name", NAMES)
def test_formulas_are_set_without_a_network(visit, name):
    browser = visit(name)
    written, unset, errors = browser.execute_script(
        "const math = [...document.querySelectorAll('article .math')];"
        "return [math.length, math.filter(m => !m.querySelector('mjx-container svg')).map(m => m.textContent),"
        "[...document.querySelectorAll(arguments[0])].map(m => m.closest('.math').textContent)]",
        MISSET,
    )
    assert unset == []
    assert errors == []
    if name.endswith("notation.html"):
        assert written > 50


def test_a_wrong_formula_would_be_found(visit):
    browser = visit("book/appendix/notation.html")
    with added(browser, r"<span class='math'>\(\notacommand{x}\)</span>"):
        browser.execute_async_script("MathJax.typesetPromise([document.getElementById('control')]).then(arguments[0])")
        assert browser.find_elements("css selector", f"#control {MISSET}")


@pytest.mark.parametrize("name", NAMES)
def test_solutions_are_folded_and_open(visit, name):
    browser = visit(name)
    for box in browser.find_elements("css selector", "article .dropdown.admonition"):
        content = box.find_element("css selector", ":scope > section, :scope > div, :scope > p:not(.admonition-title)")
        assert not shown(browser, content)
        browser.execute_script("arguments[0].click()", box.find_element("css selector", ".admonition-title"))
        assert shown(browser, content)
    for box in browser.find_elements("css selector", "article details"):
        # Within another folded box there is nothing to see before that one is opened.
        if browser.execute_script("return arguments[0].parentElement.closest('details') !== null", box):
            continue
        content = box.find_element("css selector", ":scope > :not(summary)")
        assert not shown(browser, content)
        browser.execute_script("arguments[0].click()", box.find_element("css selector", "summary"))
        assert shown(browser, content)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_page_does_not_scroll_sideways(visit, name, size):
    browser = visit(name, size)
    for box in browser.find_elements("css selector", "article details > summary"):
        browser.execute_script("arguments[0].parentElement.open = true", box)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]


def test_a_page_too_wide_would_be_found(visit):
    browser = visit("book/index.html", PHONE)
    with added(browser, "<div style='width: 900px'>wide</div>"):
        assert browser.execute_script("return document.documentElement.scrollWidth") > PHONE[0]


# The ratio of WCAG 2 between an element's text and the first background behind it that is not transparent.
CONTRAST = """
const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
const parse = s => { const c = s.match(/[\\d.]+/g).map(Number);
                     if (s.startsWith('color(')) { for (const i of [0, 1, 2]) c[i] *= 255; } return c; };
const over = (a, b) => { const t = a[3] ?? 1; return [0, 1, 2].map(i => t * a[i] + (1 - t) * b[i]); };
const ground = e => { const c = e ? parse(getComputedStyle(e).backgroundColor) : [255, 255, 255];
                      return (c[3] ?? 1) === 1 ? c : over(c, ground(e.parentElement)); };
return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility() && e.textContent.trim())
  .map(e => { const b = ground(e), f = over(parse(getComputedStyle(e).color), b), x = light(f), y = light(b);
              return [(Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05), e.textContent.trim().slice(0, 40)]; })
  .sort((a, b) => a[0] - b[0]).slice(0, 3);
"""
TEXT = (
    "article :is(p, li, td, th, h1, h2, h3, summary, code, a:not(.headerlink)), "
    "article .highlight span, .bd-sidebar-primary a"
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_text_can_be_read_in_both_themes(visit, name, theme):
    browser = visit(name, theme=theme)
    faint = [found for found in browser.execute_script(CONTRAST, TEXT) if found[0] < 4.5]
    assert faint == []


def test_faint_text_would_be_found(visit):
    browser = visit("book/index.html")
    with added(browser, "<p style='color: #999; background: #fff'>faint</p>"):
        (ratio, _), *_ = browser.execute_script(CONTRAST, "#control p")
        assert 2.8 < ratio < 2.9  # #999 on white is 2.85 to 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_figures_stand_on_an_opaque_ground(visit, name, theme):
    browser = visit(name, theme=theme)
    grounds = browser.execute_script(
        "return [...document.querySelectorAll('article .cell_output img')]"
        ".map(i => [getComputedStyle(i).backgroundColor, getComputedStyle(i).filter])"
    )
    assert set(map(tuple, grounds)) <= {("rgb(255, 255, 255)", "none")}
