"""What a developer does to a phone: describes it wrongly, opens it twice, closes it in mid-call."""

from __future__ import annotations

import asyncio
import socket
import threading

import aiohttp
import pytest

from patter import Limits, Patter, PatterError, PatterTool, Twilio
from patter.simulator import Callee
from patter_core.errors import ConfigError
from tests.calls.kit import CALLEE, PHONE, Events, bounded, creates, said, scripted

SID = "AC" + "0" * 32


@pytest.fixture
def nothing_in_the_environment(monkeypatch):
    for name in (
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "PATTER_PHONE_NUMBER",
        "PATTER_WEBHOOK_URL",
        "PATTER_STATE_DIR",
        "PORT",
    ):
        monkeypatch.delenv(name, raising=False)


def described(**options):
    whole = {
        "carrier": Twilio(SID, "token"),
        "phone_number": PHONE,
        "webhook_url": "calls.example.com",
        "ledger": ":memory:",
        **options,
    }
    return Patter(**whole)


# --- descriptions --------------------------------------------------------------------------------

WEBHOOK_URLS = [
    " ",
    "http://calls.example.com",
    "ftp://calls.example.com",
    "ws://calls.example.com",
    "//calls.example.com",
    "https://",
    "https:///path",
    "https://calls.example.com/path",
    "https://calls.example.com?x=1",
    "https://calls.example.com#x",
    "https://user:secret@calls.example.com",
    "user@calls.example.com",
    "calls.example.com/twilio",
    "calls example.com",
    "calls.example.com\n",
    "calls.example.com\r\nX: y",
    "calls.example.com:0",
    "calls.example.com:99999",
    "calls.example.com:port",
    "calls.example.com:",
    "-calls.example.com",
    "calls..example.com",
    ".example.com",
    "https://https://calls.example.com",
    "javascript:alert(1)",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://10.0.0.1",
    "http://[::2]",
    "\uff43alls.example.com",
    "x" * 300 + ".example.com",
]


@pytest.mark.parametrize("url", WEBHOOK_URLS, ids=range(len(WEBHOOK_URLS)))
def test_a_webhook_url_that_no_carrier_could_use(nothing_in_the_environment, url):
    with pytest.raises(ConfigError) as error:
        described(webhook_url=url)
    assert "webhook_url" in str(error.value)
    assert "calls.example.com" in str(error.value), "it shows what a good one looks like"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("calls.example.com", "https://calls.example.com"),
        ("https://calls.example.com", "https://calls.example.com"),
        ("https://Calls.Example.com/", "https://calls.example.com"),
        ("calls.example.com:8443", "https://calls.example.com:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_a_webhook_url_that_is_fine(nothing_in_the_environment, url, shown):
    assert described(webhook_url=url).url == shown


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"carrier": None}, "TWILIO_ACCOUNT_SID"),
        ({"carrier": None, "twilio_sid": SID}, "TWILIO_AUTH_TOKEN"),
        ({"carrier": Twilio(SID)}, "TWILIO_AUTH_TOKEN"),
        ({"carrier": Twilio("SK" + "0" * 32, "token")}, "account_sid"),
        ({"twilio_sid": SID, "twilio_token": "t"}, "not both"),
        ({"phone_number": ""}, "PATTER_PHONE_NUMBER"),
        ({"phone_number": "4155550100"}, "E.164"),
        ({"phone_number": PHONE + "\n"}, "E.164"),
        ({"phone_number": 14155550100}, "E.164"),
        ({"webhook_url": ""}, "PATTER_WEBHOOK_URL"),
        ({"max_concurrent_calls": 0}, "max_concurrent_calls"),
        ({"max_concurrent_calls": True}, "max_concurrent_calls"),
        ({"max_concurrent_calls": 1.5}, "max_concurrent_calls"),
        ({"port": -1}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "8000"}, "port"),
        ({"port": True}, "port"),
    ],
)
def test_a_phone_that_cannot_work_is_an_error_now(nothing_in_the_environment, options, word):
    with pytest.raises(ConfigError) as error:
        described(**options)
    assert word in str(error.value)


def test_a_bad_port_in_the_environment_is_an_error_now(nothing_in_the_environment, monkeypatch):
    for value in ("http", "-1", "70000", "\uff18000"):
        monkeypatch.setenv("PORT", value)
        with pytest.raises(ConfigError, match="PORT"):
            described()


def test_secrets_show_in_no_repr_and_no_error(nothing_in_the_environment):
    secret = "s3cr3t-t0ken"
    phone = described(carrier=Twilio(SID, secret))
    assert secret not in repr(Twilio(SID, secret))
    assert secret not in repr(phone)
    assert secret not in repr(vars(phone))
    with pytest.raises(ConfigError) as error:
        described(carrier=Twilio("bad", secret))
    assert secret not in str(error.value)
    flat = Patter(
        twilio_sid=SID,
        twilio_token=secret,
        phone_number=PHONE,
        webhook_url="calls.example.com",
        ledger=":memory:",
    )
    assert secret not in repr(vars(flat))


PARTS = scripted()


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ({}, "stt"),
        ({"llm": PARTS["llm"]}, "stt"),
        ({"stt": PARTS["stt"], "tts": PARTS["tts"]}, "llm"),
        ({**PARTS, "engine": object()}, "engine"),
        ({**PARTS, "llm": "gpt-4o"}, "llm"),
        ({**PARTS, "system_prompt": 5}, "system_prompt"),
        ({**PARTS, "first_message": ["Hi"]}, "first_message"),
        ({**PARTS, "prompt": "x"}, "prompt"),
        ({**PARTS, "goal": "x"}, "goal"),
        ({**PARTS, "stt": object()}, "stt"),
        ({**PARTS, "llm": object()}, "llm"),
        ({**PARTS, "tts": object()}, "tts"),
        ({**PARTS, "engine": None, "tts": PARTS["stt"]}, "tts"),
    ],
)
def test_agent_parts_that_do_not_fit_are_an_error_now(nothing_in_the_environment, parts, word):
    phone = described()
    with pytest.raises(ConfigError) as error:
        phone.agent(**parts)
    assert word in str(error.value)
    with pytest.raises(ConfigError):
        PatterTool(phone, parts)


@pytest.mark.parametrize("seconds", [0, 1801, -5, 1.5, "180", True, None])
def test_a_tool_with_a_default_out_of_range_is_an_error_now(nothing_in_the_environment, seconds):
    with pytest.raises(ConfigError, match="max_duration_sec"):
        PatterTool(described(), PARTS, max_duration_sec=seconds)


def test_describing_a_phone_touches_nothing(nothing_in_the_environment, tmp_path):
    before = set(threading.enumerate())
    ledger = tmp_path / "deep" / "calls.sqlite"
    PatterTool(described(ledger=ledger), PARTS)
    assert set(threading.enumerate()) <= before
    assert not ledger.parent.exists()


# --- opening -------------------------------------------------------------------------------------


async def healthy(phone):
    async with aiohttp.ClientSession() as http, http.get(phone.url + "/health") as answer:
        return answer.status == 200


async def test_a_busy_port_is_an_exception_and_a_retry_works(network, new_tool):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        tool = new_tool(phone={"port": port})
        with pytest.raises(PatterError, match=str(port)):
            await bounded(tool.start())
        result = await bounded(tool.execute(to=CALLEE))
        assert result.status == "failed"
        assert (result.may_have_dialed, creates(network)) == (False, [])
        blocking = tool.execute_blocking(to=CALLEE)
        assert blocking.status == "failed"
        with pytest.raises(PatterError):
            await bounded(tool._phone.place_call(CALLEE, scripted()))
    await bounded(tool.start())
    assert str(port) in tool._phone.url
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_a_ledger_that_cannot_be_opened_is_an_exception_and_a_retry_works(
    network, new_tool, tmp_path
):
    folder = tmp_path / "state"
    folder.write_text("not a folder")
    tool = new_tool(phone={"ledger": folder / "calls.sqlite"})
    with pytest.raises(PatterError):
        await bounded(tool.start())
    assert (await bounded(tool.execute(to=CALLEE))).status == "failed"
    folder.unlink()
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_opening_it_often_opens_it_once(network, new_tool):
    tool = new_tool()
    await bounded(asyncio.gather(*(tool.start() for _ in range(20))))
    url = tool._phone.url
    await bounded(tool.start())
    assert tool._phone.url == url
    homes = [t for t in threading.enumerate() if t.name == "patter-home"]
    assert len(homes) == 1


async def test_two_loops_open_it_at_once(network, new_tool):
    tool = new_tool()
    barrier = threading.Barrier(3)
    urls = []

    def opening():
        async def main():
            barrier.wait(30)
            await tool.start()
            urls.append(tool._phone.url)

        asyncio.run(main())

    loop = asyncio.get_running_loop()
    threads = [loop.run_in_executor(None, opening) for _ in range(2)]
    await loop.run_in_executor(None, barrier.wait, 30)
    await bounded(asyncio.gather(*threads))
    assert len(set(urls)) == 1
    assert len([t for t in threading.enumerate() if t.name == "patter-home"]) == 1
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_a_call_opens_the_phone_by_itself(network, new_tool):
    tool = new_tool()
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"
    assert await bounded(healthy(tool._phone))


async def test_health_answers_while_it_is_open_and_not_afterwards(network, new_tool):
    tool = new_tool()
    await bounded(tool.start())
    assert await bounded(healthy(tool._phone))
    url = tool._phone.url
    await bounded(tool.stop())
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(url + "/health")


# --- closing -------------------------------------------------------------------------------------


async def test_closing_in_mid_call_hangs_up_and_everybody_is_told(network, new_tool):
    network.add(CALLEE, Callee(behave="silent"))
    tool = new_tool()
    events = Events()
    task = asyncio.create_task(
        tool.execute(to=CALLEE, first_message="Hi.", max_duration_sec=1800, on_event=events)
    )
    await network.until(events.heard_of("turn"))
    queued = asyncio.create_task(tool.execute(to=CALLEE))
    await network.until(lambda: tool._phone._opening._open.desk.live == 2)
    await bounded(tool.stop())
    assert network.live_legs == []
    result = await bounded(task)
    assert (result.status, result.error_code) == ("interrupted", "engine_stopped")
    assert (result.ended_by, result.may_have_dialed, result.retryable) == ("engine", True, False)
    assert said(result) == [("agent", "Hi.")]
    assert result.error
    waiting = await bounded(queued)
    assert (waiting.status, waiting.error_code) == ("rejected", "phone_closed")
    assert not waiting.may_have_dialed
    assert events.types[-1] == "ended"


async def test_a_closed_phone_rejects_and_can_be_opened_again(network, new_tool):
    tool = new_tool()
    await bounded(tool.start())
    await bounded(tool.stop())
    await bounded(tool.stop())
    for result in (
        await bounded(tool.execute(to=CALLEE)),
        tool.execute_blocking(to=CALLEE),
    ):
        assert (result.status, result.error_code) == ("rejected", "phone_closed")
        assert not result.may_have_dialed
    assert creates(network) == []
    await bounded(tool.start())
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_closing_a_phone_that_was_never_opened(network, new_tool):
    await bounded(new_tool().stop())


@pytest.mark.parametrize("created", [True, False])
async def test_closing_while_the_carrier_is_silent_gives_an_answer(network, new_tool, created):
    """The dial hangs for longer than closing may take: whoever waits is not left waiting."""
    network.add(CALLEE, Callee(behave="no_answer"))
    network.faults.callbacks("lost")
    network.faults.create("hang", after_creating=created)
    limits = Limits(dial_request_sec=2.5, look_up_sec=1, drain_sec=0.3)
    tool = new_tool(phone={"limits": limits})
    events = Events()
    task = asyncio.create_task(tool.execute(to=CALLEE, on_event=events))
    await network.until(lambda: creates(network))
    since = network.clock.now()
    closing = asyncio.create_task(tool.stop())
    result = await bounded(task)
    assert network.clock.now() - since < 1.5
    assert (result.status, result.error_code) == ("interrupted", "engine_stopped")
    assert result.may_have_dialed
    assert events.types[-1] == "ended"
    await bounded(closing)


async def test_closing_while_an_approval_hangs_is_bounded(network, new_tool):
    release = threading.Event()
    asked = threading.Event()

    def approve(request):
        asked.set()
        release.wait(90)
        return True

    tool = new_tool(approve=approve)
    task = asyncio.create_task(tool.execute(to=CALLEE))
    await network.until(asked.is_set)
    try:
        await bounded(tool.stop())
        result = await bounded(task)
    finally:
        release.set()
    assert (result.status, result.error_code) == ("rejected", "phone_closed")
    assert creates(network) == []


async def test_a_phone_that_turned_somebody_away_unopened_closes_with_all_its_threads(new_tool):
    tool = new_tool()
    await bounded(tool.stop())
    result = await asyncio.to_thread(tool.execute_blocking, to=CALLEE)
    assert result.error_code == "phone_closed"
    await bounded(tool.stop())
    spare = [thread for thread in threading.enumerate() if thread.name == "patter-spare"]
    for thread in spare:
        thread.join(30)
    assert not any(thread.is_alive() for thread in spare)


async def test_calls_that_come_while_it_closes_all_get_an_answer(network, new_tool):
    tool = new_tool(phone={"max_concurrent_calls": 3})
    for _ in range(5):
        await bounded(tool.start())
        tasks = [asyncio.create_task(tool.execute(to=CALLEE)) for _ in range(5)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(tool.stop())
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(tool.execute(to=CALLEE)) for _ in range(5)]
        await bounded(closing)
        for result in await bounded(asyncio.gather(*tasks)):
            assert result.status in ("interrupted", "rejected", "canceled", "completed")
    await network.until(lambda: not network.live_legs)


async def test_calls_from_threads_while_it_opens_and_closes_all_get_an_answer(network, new_tool):
    tool = new_tool(phone={"max_concurrent_calls": 3})
    stop = threading.Event()
    results = []

    def calling():
        while not stop.is_set():
            results.append(tool.execute_blocking(to=CALLEE, max_duration_sec=5))

    loop = asyncio.get_running_loop()
    threads = [loop.run_in_executor(None, calling) for _ in range(3)]
    for _ in range(8):
        await bounded(tool.start())
        await network.until(lambda: network.live_legs)
        await bounded(tool.stop())
    stop.set()
    await bounded(asyncio.gather(*threads))
    assert {result.status for result in results} <= {
        "interrupted",
        "rejected",
        "completed",
        "failed",
        "timeout",
    }


async def test_serve_keeps_it_open_until_cancelled(network, new_phone):
    phone = new_phone()
    task = asyncio.create_task(phone.serve())
    await network.until(lambda: phone.url)
    assert await bounded(healthy(phone))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bounded(task)
    with pytest.raises(PatterError):
        await bounded(phone.place_call(CALLEE, scripted()))


@pytest.mark.parametrize("steps", range(4))
async def test_serving_that_is_cancelled_while_it_opens_leaves_nothing_open(
    network, new_phone, steps
):
    phone = new_phone()
    task = asyncio.create_task(phone.serve())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bounded(task)
    await network.until(
        lambda: not [t for t in threading.enumerate() if t.name == "patter-home"],
        what="the engine's thread to end",
    )


async def test_async_with_closes_whatever_happens(network, new_phone):
    phone = new_phone()
    network.add(CALLEE, Callee(behave="silent"))
    lives = []

    async def broken():
        async with phone:
            lives.append(await phone.place_call(CALLEE, scripted(), max_duration_sec=1800))
            await network.until(lambda: network.live_legs)
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        await bounded(broken())
    assert network.live_legs == []
    assert (await bounded(lives[0].result())).status == "interrupted"


async def test_serve_listens_where_it_is_told(network, new_phone, unused_port):
    phone = new_phone()
    task = asyncio.create_task(phone.serve(scripted(), unused_port))
    await network.until(lambda: phone.url)
    assert phone.url == f"http://127.0.0.1:{unused_port}"
    assert await bounded(healthy(phone))
    with pytest.raises(ConfigError, match="listens elsewhere; close it first"):
        await bounded(phone.serve(port=0, host="127.0.0.2"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bounded(task)


async def test_serve_names_a_port_that_is_none(new_phone):
    with pytest.raises(ConfigError, match="port is 'eight'"):
        await bounded(new_phone().serve(port="eight"))


# --- what an agent's words are made of -----------------------------------------------------------


def test_variables_are_filled_in_once():
    agent = described().agent(
        **scripted(),
        system_prompt='You call {name} about {order}. Answer as {"a": 1}.',
        first_message="Hello {name}!",
        variables={"name": "Ada {order}", "order": 7},
    )
    assert agent.first_message == "Hello Ada {order}!"
    assert agent.system_prompt == 'You call Ada {order} about 7. Answer as {"a": 1}.'


def test_a_variable_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"first_message has \{nmae\}, and variables= no 'nmae'"):
        described().agent(**scripted(), first_message="Hello {nmae}!", variables={"name": "Ada"})


def test_braces_stay_as_they_are_without_variables():
    assert described().agent(**scripted(), first_message="{x}").first_message == "{x}"


def test_a_number_that_a_variable_brings_is_no_destination():
    agent = described().agent(
        **scripted(),
        system_prompt="Transfer to +14155550142 only. The callee is at {number}.",
        variables={"number": "+14155550199"},
    )
    assert agent.kit.destinations.all_numbers == {"+14155550142"}


async def test_a_call_without_an_agent_says_what_it_needs(new_phone, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OpenAI Realtime"):
        await bounded(new_phone().call(CALLEE, goal="Say hello"))
