"""Run by the server's own virtualenv: a person at Argilla's web page, in headless Chromium.

``annotate.py URL USER PASSWORD DATASET CHROMIUM PICTURE LABEL CORRECTION``: log in, open the dataset, read
the first pair, choose an answer, write a correction, photograph the page and submit. What was read is printed
as JSON.
"""

import json
import sys

from playwright.sync_api import Page, sync_playwright

SECONDS = 30_000


def answer_first(page: Page, label: str, correction: str, picture: str) -> dict[str, object]:
    page.get_by_text(label, exact=True).first.click()
    if correction:
        page.locator(".textarea [contenteditable]").first.click()
        page.keyboard.type(correction)
    read = page.locator(".record__content").inner_text()
    shown = page.inner_text("body")
    page.screenshot(path=picture, animations="disabled")
    with page.expect_response(lambda answer: answer.url.endswith("/responses")) as answered:
        page.get_by_role("button", name="Submit").click()
    return {"read": read, "page": shown, "status": answered.value.status}


def main() -> None:
    url, user, password, dataset, chromium, picture, label, correction = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(SECONDS)
        page.goto(f"{url}/sign-in")
        page.locator("input[type=text]").fill(user)
        page.locator("input[type=password]").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda address: "sign-in" not in address)
        page.goto(f"{url}/dataset/{dataset}/annotation-mode")
        print(json.dumps(answer_first(page, label, correction, picture)))
        browser.close()


if __name__ == "__main__":
    main()
