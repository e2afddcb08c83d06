# SPDX-License-Identifier: MIT
"""Event loops with tasks of many shapes, none of which moves; and what asyncio
itself says of them.

    tasks.py FILE

Writes to FILE, as JSON, what an outside observer should find, then prints "ready"
and the loops idle.  Runs on 3.6 to 3.15; shapes that a version has not are left out.
"""
import asyncio
import gc
import json
import os
import sys
import threading
import traceback
import types

FOREVER = 10 ** 6
V = sys.version_info
tasks_module = sys.modules["asyncio.tasks"]


def spawn(coro, name):
    """A task with this name, if the version names tasks."""
    task = asyncio.ensure_future(coro)
    if hasattr(task, "set_name"):
        task.set_name(name)
    KEPT.append(task)
    task_names[task] = name
    return task


KEPT = []
task_names = {}
expected_waiters = {}  # name -> names of those that wait for it


# ---- shapes of what is awaited ----

async def nap():
    await asyncio.sleep(FOREVER)


async def nested(depth):
    if depth:
        await nested(depth - 1)
    else:
        await nap()


@types.coroutine
def old_style():
    yield from nap().__await__()


async def through_old_style():
    await old_style()


class Awaitable:
    def __await__(self):
        yield from nap().__await__()


async def through_class():
    await Awaitable()


class Direct:
    def __init__(self, future):
        self.future = future

    def __await__(self):
        return self.future.__await__()


async def through_direct():
    await Direct(asyncio.get_event_loop().create_future())


async def numbers():
    yield 1
    await nap()
    yield 2


async def through_async_for():
    async for _ in numbers():
        pass


async def through_anext():
    generator = numbers()
    await generator.__anext__()
    await generator.__anext__()


async def through_anext_default():
    generator = numbers()
    await anext(generator, None)
    await anext(generator, None)


async def through_athrow():
    async def catches():
        try:
            yield 1
        except ValueError:
            await nap()
            yield 2
    generator = catches()
    await generator.__anext__()
    await generator.athrow(ValueError)


class Manager:
    async def __aenter__(self):
        await nap()

    async def __aexit__(self, *exc):
        pass


async def through_async_with():
    async with Manager():
        pass


async def in_lock(lock):
    async with lock:
        await nap()


async def wants_lock(lock):
    async with lock:
        pass


async def gets(queue):
    await queue.get()


async def waits_event(event):
    await event.wait()


async def waits_condition(condition):
    async with condition:
        await condition.wait()


async def awaits(other):
    await other


async def gathers(*others):
    await asyncio.gather(*others)


async def gathers_twice(*others):
    await asyncio.gather(asyncio.gather(*others))


async def waits_many(*others):
    await asyncio.wait(others)


async def waits_for(other):
    await asyncio.wait_for(other, FOREVER)


async def shields(other):
    await asyncio.shield(other)


async def completes(*others):
    for one in asyncio.as_completed(others):
        await one


async def wants(partner):
    await partner[0]


class MyTask(asyncio.Task):
    pass


def by(waiter, *others):
    for other in others:
        expected_waiters.setdefault(other, []).append(waiter)


def two(name):
    """Two tasks that sleep, to be awaited."""
    names = [name + "-a", name + "-b"]
    return [spawn(nap(), n) for n in names], names


async def groups():
    async with asyncio.TaskGroup() as group:
        for name in ("in-group-a", "in-group-b"):
            task = group.create_task(nap(), name=name)
            KEPT.append(task)
            task_names[task] = name


def start_waiting():
    for shape in (gathers, gathers_twice, waits_many, completes):
        others, names = two(shape.__name__)
        spawn(shape(*others), shape.__name__)
        by(shape.__name__, *names)
    for shape in (awaits, waits_for, shields):
        other = spawn(nap(), shape.__name__ + "-a")
        spawn(shape(other), shape.__name__)
        by(shape.__name__, shape.__name__ + "-a")
    if V >= (3, 11):
        spawn(groups(), "groups")
        by("groups", "in-group-a", "in-group-b")
    shared = spawn(nap(), "shared")
    for name in ("first", "second"):
        spawn(awaits(shared), name)
        by(name, "shared")
    partner = []
    one, other = spawn(wants(partner), "cycle-a"), None
    other = spawn(awaits(one), "cycle-b")
    partner.append(other)
    by("cycle-b", "cycle-a")
    by("cycle-a", "cycle-b")


def start_shapes():
    spawn(nap(), "naps")
    spawn(nested(30), "nested")
    spawn(through_old_style(), "old-style")
    spawn(through_class(), "class")
    spawn(through_direct(), "direct")
    spawn(through_async_for(), "async-for")
    spawn(through_anext(), "anext")
    if V >= (3, 10):
        spawn(through_anext_default(), "anext-default")
    spawn(through_athrow(), "athrow")
    spawn(through_async_with(), "async-with")
    lock = asyncio.Lock()
    spawn(in_lock(lock), "in-lock")
    spawn(wants_lock(lock), "wants-lock")
    spawn(gets(asyncio.Queue()), "gets")
    spawn(waits_event(asyncio.Event()), "event")
    spawn(waits_condition(asyncio.Condition()), "condition")


def start_kinds():
    """Tasks of other classes, and names that are hard to write."""
    loop = asyncio.get_event_loop()
    for cls, name in ((MyTask, "my-task"), (tasks_module._PyTask, "python-task")):
        coro = nap()
        task = cls(coro, loop=loop)
        if hasattr(task, "set_name"):
            task.set_name(name)
        KEPT.append(task)
        task_names[task] = name
    if V >= (3, 8):
        spawn(nap(), "n\u00e4me <&\"'> \u65e5\u672c")
    if V >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
        spawn(nap(), "eager")
        loop.set_task_factory(None)
    done = spawn(asyncio.sleep(0), "done")
    KEPT.append(done)


# ---- what asyncio says ----

def inner(obj):
    """What a suspended coroutine or generator awaits, by its own account."""
    for attribute in ("cr_await", "gi_yieldfrom", "ag_await"):
        if hasattr(obj, attribute):
            return getattr(obj, attribute)
    if type(obj).__name__ in ("coroutine_wrapper", "async_generator_asend",
                              "async_generator_athrow", "anext_awaitable"):
        for referent in gc.get_referents(obj):
            if type(referent).__name__ in ("coroutine", "generator", "async_generator",
                                           "async_generator_asend"):
                return referent
    return None


def frame_of(obj):
    for attribute in ("cr_frame", "gi_frame", "ag_frame"):
        if hasattr(obj, attribute):
            return getattr(obj, attribute)
    return None


def chain(task):
    steps, obj = [], task._coro if hasattr(task, "_coro") else task.get_coro()
    while obj is not None:
        frame = frame_of(obj)
        if frame is not None:
            steps.append([frame.f_code.co_filename, frame.f_lineno,
                          obj.__qualname__])
        obj = inner(obj)
    return steps


def label(task):
    return task.get_name() if hasattr(task, "get_name") else hex(id(task))


def all_tasks(loop):
    if V < (3, 7):
        return {t for t in asyncio.Task.all_tasks(loop) | tasks_module._PyTask.all_tasks(loop)
                if not t.done()}
    # From 3.14 on each implementation knows its own tasks only.
    return asyncio.all_tasks(loop) | getattr(tasks_module, "_py_all_tasks",
                                             asyncio.all_tasks)(loop)


def awaiters(task):
    if V >= (3, 14):  # capture_call_graph() asks the same, and does not survive a cycle
        return sorted(map(label, task._asyncio_awaited_by or ()))
    ids = {name: t for t, name in task_names.items()}
    return sorted(label(ids[name]) for name in expected_waiters.get(task_names.get(task), []))


def account(loop, thread, running):
    told = []
    for task in all_tasks(loop):
        future = task._fut_waiter
        told.append({
            "address": hex(id(task)),
            "name": task.get_name() if hasattr(task, "get_name") else None,
            "type": type(task).__name__,
            "state": "running" if task is running else "waiting",
            "chain": chain(task) if task is not running else None,
            "coroutine": task._coro.__qualname__,
            "future": hex(id(future)) if future is not None else None,
            "future-type": type(future).__name__ if future is not None else None,
            "awaited-by": awaiters(task),
        })
    return {"loop": hex(id(loop)), "ident": thread, "tasks": told}


def current(loop):
    return asyncio.current_task(loop) if V >= (3, 7) else asyncio.Task.current_task(loop)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def main(told, ready, last):
    start_shapes()
    start_waiting()
    start_kinds()
    await settle()
    told.append(account(asyncio.get_event_loop(), threading.get_ident(),
                        current(asyncio.get_event_loop())))
    ready.set()
    last.wait()  # blocks the loop, so that nothing moves


async def other_main(told, ready, last):
    spawn(nested(3), "elsewhere")
    spawn(awaits(spawn(nap(), "elsewhere-a")), "elsewhere-b")
    by("elsewhere-b", "elsewhere-a")
    await settle()
    told.append(account(asyncio.get_event_loop(), threading.get_ident(),
                        current(asyncio.get_event_loop())))
    ready.set()
    last.wait()


def run(coro, *args):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    main_task = loop.create_task(coro(*args))
    KEPT.append(main_task)
    try:
        loop.run_until_complete(main_task)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def program(path):
    told, last = [], threading.Event()
    for target in (main, other_main):
        ready = threading.Event()
        threading.Thread(target=run, args=(target, told, ready, last), daemon=True,
                         name=target.__name__).start()
        ready.wait()
    with open(path, "w") as f:
        json.dump({"loops": told}, f)
    print("ready", flush=True)
    last.wait()


if __name__ == "__main__":
    program(sys.argv[1])
