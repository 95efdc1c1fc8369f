"""The pages in a real browser: what a person sees, hears and types."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

from tests.local_server import serving
from training.data.files import Content
from training.data.read import Example, Kind
from training.judging.pages import render
from training.judging.suspects import Why, examine

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
API_KEY = "a-key-for-tests"
SENTENCE = "东西质量很好😀，物流也快，就是有点贵"
SCREENSHOTS = Path(__file__).parents[2] / "dist/screenshots"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def url(bundle_path: Path) -> Iterator[str]:
    with serving(bundle_path, FENLEI_API_KEY=API_KEY) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page whose console, errors and requests are watched; `locale` and so on come from the test's parameter."""
    context = browser.new_context(viewport={"width": 1000, "height": 900}, **getattr(request, "param", {}))
    opened, complaints = context.new_page(), []
    opened.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: complaints.append(asked.url) if foreign(asked.url, url) else None)
    opened.complaints = complaints  # type: ignore[attr-defined]
    yield opened
    context.close()
    # A refused call is the browser's own complaint, and meant.
    assert [c for c in complaints if "the server responded with a status of 4" not in c] == []


def test_the_tables_of_an_audit_are_sorted_by_a_click(browser: Browser, tmp_path: Path) -> None:
    reviews = [Example(f"第 {i} 条评论", "好评" if i % 2 else "差评", i) for i in range(30)]
    unlabelled = [
        Example(text, "", line) for line, text in ((9, "<img src=x onerror=alert(1)>"), (10, "乙"), (100, "甲"))
    ]
    examined = examine(Content(reviews, unlabelled, "text"), Kind.LABEL)
    values = {"characters": 99, "most": 9, "reasons": [Why.MISSING], "source": "评论.csv", "examined": examined}
    (tmp_path / "audit.html").write_text(render("audit.html", values), encoding="utf-8")
    opened, complaints = browser.new_page(), []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(dialog.message))
    opened.goto((tmp_path / "audit.html").as_uri())

    def lines() -> list[str]:
        return opened.locator("table >> nth=0 >> tbody tr td:nth-child(5)").all_inner_texts()

    click = opened.get_by_role("button", name="line").first.click
    click()
    upwards = lines()
    click()

    assert (upwards, lines()) == (["9", "10", "100"], ["100", "10", "9"])
    assert contrast(opened) == []
    assert complaints == []


def foreign(asked: str, url: str) -> bool:
    return not asked.startswith((url, "data:"))


def classify(page: Page, text: str, key: str = API_KEY) -> None:
    page.fill("#key", key)
    page.fill("#text", text)
    page.keyboard.press("Control+Enter")


LOOKS = [{"locale": locale, "color_scheme": scheme} for locale in ("en-GB", "zh-CN") for scheme in ("light", "dark")]


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look['locale']}-{look['color_scheme']}")
def test_a_sentence_is_read_in_both_languages_by_day_and_night(
    page: Page, url: str, request: pytest.FixtureRequest
) -> None:
    look = request.node.callspec.params["page"]
    page.goto(url)
    classify(page, SENTENCE)
    page.wait_for_selector("#result:not([hidden])")
    page.wait_for_timeout(600)  # the bars have grown

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{look['locale']}-{look['color_scheme']}.png", full_page=True)

    chinese = look["locale"] == "zh-CN"
    assert page.locator("html").get_attribute("lang") == ("zh-CN" if chinese else "en")
    assert page.inner_text("h1") == ("这段话在说什么？" if chinese else "What does this text say?")
    assert page.inner_text("#answer") == "positive"
    assert page.locator("#bars li").count() == 2
    assert page.inner_text("#tokens") == SENTENCE
    assert page.locator("#tokens mark", has_text="好").count() == 1
    assert ("毫秒" if chinese else "ms") in page.inner_text("#time")
    assert SENTENCE in page.inner_text("#curl")
    assert API_KEY not in page.inner_text("body")
    assert "positive" in page.locator("[role=status]").inner_text()
    assert contrast(page) == []
    assert unlabelled(page) == []


def test_the_language_can_be_changed_after_an_answer(page: Page, url: str) -> None:
    page.goto(url)
    classify(page, SENTENCE)
    page.wait_for_selector("#result:not([hidden])")

    page.click("#language")

    assert page.inner_text("#go") == "分类"
    assert page.inner_text("#tokens") == SENTENCE
    page.click("#language")
    assert page.inner_text("#go") == "Classify"


def test_an_example_is_one_click_and_the_keyboard_reaches_everything(page: Page, url: str) -> None:
    page.goto(url)
    page.fill("#key", API_KEY)
    page.focus("#docs")
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.parentElement.parentElement.id")
        )
    assert reached[:6] == ["language", "text", "samples", "samples", "samples", "samples"]
    assert reached[6:9] == ["model", "key", "go"]

    page.click("#samples button >> nth=1")
    page.wait_for_selector("#result:not([hidden])")

    assert page.inner_text("#answer") == "negative"


def test_what_goes_wrong_is_said(page: Page, url: str) -> None:
    page.goto(url)

    classify(page, SENTENCE, key="wrong")
    page.wait_for_selector("#error:not([hidden])")
    assert "403" in page.inner_text("[role=alert]")
    assert "API key" in page.inner_text("[role=alert]")

    classify(page, " \n ")
    page.locator("#error", has_text="422").wait_for()
    assert "/text" in page.inner_text("[role=alert]")
    assert contrast(page) == []


def test_html_in_a_text_stays_text(page: Page, url: str) -> None:
    page.goto(url)
    nasty = "<img src=x onerror=alert(1)><b>好'\"</b>"
    classify(page, nasty)
    page.wait_for_selector("#result:not([hidden])")

    assert page.inner_text("#tokens") == nasty
    assert page.locator("#tokens img, #tokens b").count() == 0


def test_the_page_works_under_the_prefix_of_a_stage(page: Page, url: str) -> None:
    # GIVEN a gateway that serves the API below /live
    def strip(route: Any) -> None:
        route.continue_(url=route.request.url.replace("/live", "", 1))

    page.route("**/live/**", strip)
    page.goto(f"{url}/live/")
    classify(page, SENTENCE)
    page.wait_for_selector("#result:not([hidden])")

    assert f"{url}/live/v1/classify" in page.inner_text("#curl")
    assert page.locator("#docs").get_attribute("href") == "/live/docs"


@pytest.mark.parametrize("page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True)
def test_the_documentation_shows_every_operation_and_type(page: Page, url: str) -> None:
    page.goto(f"{url}/docs")
    page.wait_for_selector("#schemas section")
    document = json.loads(page.evaluate("fetch('openapi.json').then(r => r.text())"))

    for path in document["paths"]:
        assert page.locator("summary code", has_text=path).count() >= 1
    for name in document["components"]["schemas"]:
        assert page.locator(f"#{name}").count() == 1
    for summary in page.locator("summary").all():
        summary.click()
    assert contrast(page) == []
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "docs.png", full_page=True)


def test_a_narrow_screen_needs_no_scrolling_sideways(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    for path in ("/", "/docs"):
        page.goto(url + path)
        if path == "/":
            classify(page, "好" * 200 + "x" * 200)
            page.wait_for_selector("#result:not([hidden])")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


@pytest.mark.parametrize("name", ["playground.html", "docs.html"])
def test_a_page_is_small(name: str) -> None:
    path = Path(__file__).parents[2] / "handler/https/static" / name
    assert path.stat().st_size < 40_000


# --- accessibility --------------------------------------------------------------------------------


def unlabelled(page: Page) -> list[str]:
    """Controls without a name, images without a description, and ids that are there twice."""
    found: list[str] = page.evaluate(
        """() => {
          const bad = [];
          for (const e of document.querySelectorAll("input, textarea, select")) if (!e.labels.length) bad.push(e.id);
          for (const e of document.querySelectorAll("button, a")) if (!e.textContent.trim()) bad.push(e.outerHTML);
          for (const e of document.querySelectorAll("img:not([alt])")) bad.push(e.outerHTML);
          const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
          return bad.concat(ids.filter((id, i) => ids.indexOf(id) !== i));
        }"""
    )
    return found


def contrast(page: Page) -> list[str]:
    """Texts with less contrast than WCAG 2.1 asks for at level AA: 4.5, and 3 for large text."""
    found: list[str] = page.evaluate(
        """() => {
          const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
          const over = (colours) => {
            canvas.fillStyle = "white";
            canvas.fillRect(0, 0, 1, 1);
            for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
          };
          const light = (rgb) => {
            const [r, g, b] = rgb.map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const bad = [];
          for (const e of document.querySelectorAll("body *")) {
            const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
            if (!own || !e.checkVisibility() || e.closest(".hidden") || e.tagName === "SCRIPT") continue;
            const style = getComputedStyle(e), behind = [];
            for (let at = e; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
            const [a, b] = [light(over(behind)), light(over([...behind, style.color]))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            const size = parseFloat(style.fontSize);
            const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
            if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 120)}`);
          }
          return bad;
        }"""
    )
    return found


def test_with_credentials_of_aws_the_page_signs_its_call(page: Page, url: str) -> None:
    # GIVEN what `aws configure export-credentials` prints, and the region, which is in a gateway's own name
    given = {
        "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "SecretAccessKey": "wJalr/XUt+nFEMI",
        "SessionToken": "a/session+token==",
    }
    sent: list[Request] = []

    def passed_on(route: Route) -> None:  # the server here asks for a key
        sent.append(route.request)
        route.continue_(headers=route.request.headers | {"x-api-key": API_KEY})

    page.route("**/v1/classify", passed_on)
    page.goto(url)
    page.fill("#key", json.dumps(given | {"Version": 1, "Region": "eu-central-1"}))
    page.fill("#text", SENTENCE)
    page.click("#go")
    page.wait_for_selector("#result:visible")

    (call,) = sent
    headers = call.headers
    signature = headers["authorization"]
    # WHEN AWS's own code signs the same call at the same time THEN it comes to the same
    again = AWSRequest("POST", call.url, {"content-type": headers["content-type"]}, call.post_data_buffer)
    date = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr("botocore.auth.get_current_datetime", lambda: date)
        SigV4Auth(Credentials(*given.values()), "execute-api", "eu-central-1").add_auth(again)
    assert again.headers["Authorization"] == signature
    assert "AKIA" not in page.inner_text("#curl")
    assert "--aws-sigv4" in page.inner_text("#curl")
