# SPDX-License-Identifier: MIT
"""asyncio's tasks, few of each kind, for recordings (record -t)."""
import asyncio
import threading

KEPT = []


def spawn(coro, name):
    task = asyncio.ensure_future(coro)
    if hasattr(task, "set_name"):
        task.set_name(name)
    KEPT.append(task)
    return task


async def nap():
    await asyncio.sleep(3600)


async def numbers():
    yield 1
    await nap()


async def reader():
    async for _ in numbers():
        pass


async def gathers(*others):
    await asyncio.gather(*others)


async def holder(lock):
    async with lock:
        await nap()


async def wants(partner):
    await partner[0]


async def main():
    lock, partner = asyncio.Lock(), []
    spawn(reader(), "reader")
    spawn(gathers(spawn(nap(), "left"), spawn(nap(), "right")), "both")
    spawn(holder(lock), "holder")
    spawn(holder(lock), "waiter")
    partner.append(spawn(wants([spawn(wants(partner), "a")]), "b"))
    for _ in range(9):
        await asyncio.sleep(0)
    spawn(nap(), "new")
    print("ready", flush=True)
    threading.Event().wait()


asyncio.new_event_loop().run_until_complete(main())
