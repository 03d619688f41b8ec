"""What people and the notifier's look-up read: the pages, Mailpit's API, the table of the command line."""

import asyncio
import html
from collections.abc import AsyncIterator

import httpx2
import pytest
from rich.console import Console

from paycue.local.errors import LocalStackError
from paycue.local.inbox import LocalInbox, list_messages, render

EVIL = "<script>alert(1)</script>"


def mail(number: int, subject: str = "Invoice", text: str = "Hello") -> bytes:
    head = f"From: Lender <a@lender.example>\r\nTo: b{number}@debtor.example\r\nSubject: {subject} {number}\r\n"
    dates = f"Date: Fri, 8 Feb 2013 09:00:00 -0500\r\nMessage-ID: <{number}.x@lender.example>\r\n"
    return f"{head}{dates}\r\n{text}\r\n".encode()


@pytest.fixture
async def http(inbox: LocalInbox) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=inbox.http_url, trust_env=False) as client:
        yield client


def put(inbox: LocalInbox, raw: bytes) -> None:
    inbox.box.add("email", raw, "a@lender.example", ("b@debtor.example",))


async def test_an_empty_inbox_says_so(http: httpx2.AsyncClient) -> None:
    page = await http.get("/")
    assert "Nothing received yet" in page.text


async def test_the_list_is_newest_first_in_business_time(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    for number in (1, 2):
        put(inbox, mail(number))
    page = (await http.get("/")).text
    assert page.index("Invoice 2") < page.index("Invoice 1")
    assert "Fri 8 Feb 2013, 09:00 -05:00" in page


async def test_older_messages_are_one_link_away(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    for number in range(1, 151):
        put(inbox, mail(number))
    assert 'href="/?before=51&amp;q="' in (await http.get("/")).text
    older = (await http.get("/?before=51")).text
    assert ("Invoice 50<" in older, "Invoice 51<" in older) == (True, False)


async def test_nothing_a_sender_wrote_becomes_markup(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    put(inbox, mail(1, EVIL, EVIL))
    for path in ("/", "/messages/1", f"/?q={EVIL}", f"/messages/{EVIL.replace('/', '')}"):
        page = await http.get(path)
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_the_html_part_stands_in_a_sandbox(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    body = f'<p>"Hello" {EVIL}</p>'
    put(inbox, f"Subject: x\r\nContent-Type: text/html\r\n\r\n{body}".encode())
    page = (await http.get("/messages/1")).text
    assert f'<iframe sandbox="" title="HTML part" srcdoc="{str(html.escape(body)).replace("&quot;", "&#34;")}">' in page


async def test_a_message_page_shows_headers_and_text(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    put(inbox, mail(1, text="1,234.50 EUR"))
    page = html.unescape((await http.get("/messages/1")).text)
    assert ("1,234.50 EUR" in page, "Message-ID: <1.x@lender.example>" in page) == (True, True)


@pytest.mark.parametrize("path", ["/messages/9", "/messages/x", "/messages/-1", "/?before=x", "/messages.json?limit=x", "/api/v1/search"])
async def test_odd_addresses_are_answered_without_an_error(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code < 500


async def test_words_are_searched_in_recipient_subject_and_text(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    put(inbox, mail(1, text="about 0042"))
    put(inbox, mail(2, text="about 0043"))
    page = (await http.get("/?q=0042")).text
    assert ("Invoice 1" in page, "Invoice 2" in page) == (True, False)


async def test_mailpits_search_finds_a_mail_by_its_message_id(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    for number in range(1, 4):
        put(inbox, mail(number))
    found = (await http.get("/api/v1/search", params={"query": "message-id:<2.x@lender.example>"})).json()
    assert (found["messages_count"], found["messages"][0]["MessageID"], found["messages"][0]["ID"]) == (1, "2.x@lender.example", "000002")
    assert found["messages"][0]["From"] == {"Name": "Lender", "Address": "a@lender.example"}
    assert found["messages"][0]["Created"] == "2013-02-08T09:00:00-05:00"


async def test_mailpits_search_finds_what_came_after_the_last_search(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    query = {"query": "message-id:5.x@lender.example"}
    assert (await http.get("/api/v1/search", params=query)).json()["messages_count"] == 0
    put(inbox, mail(5))
    assert (await http.get("/api/v1/search", params=query)).json()["messages_count"] == 1


async def test_mailpits_search_takes_fields_and_words(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    put(inbox, mail(1, "Reminder", "0042"))
    put(inbox, mail(2, "Notice", "0042"))
    found = (await http.get("/api/v1/search", params={"query": 'subject:"reminder 1" 0042'})).json()
    assert [message["Subject"] for message in found["messages"]] == ["Reminder 1"]


async def test_mailpits_list_pages_and_gives_the_raw_mail(inbox: LocalInbox, http: httpx2.AsyncClient) -> None:
    for number in range(1, 6):
        put(inbox, mail(number))
    page = (await http.get("/api/v1/messages", params={"start": 1, "limit": 2})).json()
    assert ([message["Subject"] for message in page["messages"]], page["total"]) == (["Invoice 4", "Invoice 3"], 5)
    assert (await http.get(f"/api/v1/message/{page['messages'][0]['ID']}/raw")).content == mail(4)


async def test_the_command_line_lists_what_the_inbox_has(inbox: LocalInbox) -> None:
    put(inbox, mail(1, "[bold]Invoice[/bold]"))
    lines = await asyncio.to_thread(list_messages, inbox.http_url)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(render(lines))
    assert "[bold]Invoice[/bold] 1" in capture.get()
    assert "2013-02-08 09:00 -0500" in capture.get()


async def test_the_command_line_says_when_no_inbox_answers() -> None:
    with pytest.raises(LocalStackError, match=r"no inbox answers at http://127.0.0.1:9 .*paycue up"):
        await asyncio.to_thread(list_messages, "http://127.0.0.1:9")
