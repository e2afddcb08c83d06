/* SPDX-License-Identifier: MIT */
/*
 * What a task is in the middle of: from its coroutine along what each one awaits.
 *
 * Objects/genobject.c: what an await leaves on the stack is the coroutine itself,
 * or an iterator that stands for something: a coroutine_wrapper for a coroutine,
 * an async_generator_asend for a step of an async generator, a FutureIter for a
 * future.  Each begins with what it stands for.
 */
#include <inttypes.h>
#include <string.h>

#include "qxfer/python/tasks_gen.h"
#include "qxfer/python/text.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NAME_CHARS    1000u
#define LOOKUPS_MAX   2000u /* through the frames of all threads */

/*
 * The name in an object's type. To 3.11 nobody readies the static types of these iterators
 * before they are used by name, so they do not look like types.
 */
static bool read_type_name(struct task_reader *r, uint64_t addr, char *name, size_t room)
{
	uint64_t type, at;
	struct err *err = val_word(&r->v, addr, r->v.off->object.type, &type);
	if (!err)
		err = type % 8 || !type ? NULL : val_word(&r->v, type, r->v.off->type.name, &at);
	err_drop(err);
	if (err || type % 8 || !type)
		return false;
	size_t n = mem_read_some(r->w->mem, at, name, room - 1);
	name[n] = '\0';
	return true;
}

/* Iterators whose first member is what they stand for; the last's is a future. */
static bool stands_for(struct task_reader *r, uint64_t addr, bool *future)
{
	static const char *const names[] = {
		"coroutine_wrapper", "async_generator_asend",	      "async_generator_athrow",
		"anext_awaitable",   "async_generator_wrapped_value", "_asyncio.FutureIter",
	};
	char type[64];
	bool known = addr && addr % 8 == 0 && read_type_name(r, addr, type, sizeof(type));
	for (size_t i = 0; known && i < ARRAY_SIZE(names); i++) {
		if (strcmp(type, names[i]) != 0)
			continue;
		*future = i == ARRAY_SIZE(names) - 1;
		return true;
	}
	return false;
}

static struct err *append(struct task_reader *r, struct py_task *task, const struct py_await *step)
{
	struct py_tasks *t = r->t;
	if (t->nawaits >= PY_ALL_AWAITS_MAX) {
		task_say(r, &task->corrupt, err_new(ERR_BAD_DATA, "more awaits than are served"));
		return NULL;
	}
	struct err *err =
		py_array_grow((void **)&t->awaits, t->nawaits, &t->awaits_cap, sizeof(*t->awaits));
	if (err)
		return err;
	t->awaits[t->nawaits++] = *step;
	task->nawaits++;
	return NULL;
}

/* ---- a running one: the calls it has made are on a thread's stack ---- */

static const struct py_thread *find_running(struct task_reader *r, uint64_t frame, size_t *ret)
{
	const struct py_snapshot *snap = r->t->snap;
	for (size_t i = 0; r->lookups < LOOKUPS_MAX && i < snap->nthreads; i++)
		for (size_t k = 0; k < snap->threads[i].nframes; k++)
			if (snap->frames[snap->threads[i].first_frame + k].addr == frame) {
				*ret = k;
				return &snap->threads[i];
			}
	return NULL;
}

/* The frames from a task's on, to the innermost one or to where another task begins. */
static struct err *append_running(struct task_reader *r, struct py_task *task, uint64_t coro,
				  const struct gen *g)
{
	const struct py_snapshot *snap = r->t->snap;
	size_t at, other;
	struct err *err = NULL;
	const struct py_thread *th = find_running(r, g->frame, &at);
	r->lookups++;
	task->state = PY_TASK_RUNNING;
	if (!th) {
		task_say(r, &task->corrupt,
			 err_new(ERR_BAD_DATA, "it runs, but on no thread's stack"));
		return NULL;
	}
	for (size_t k = at + 1; !err && k-- > 0;) {
		const struct py_frame *f = &snap->frames[th->first_frame + k];
		struct py_await step = { .frame = *f, .kind = PY_AWAIT_CALL };
		step.object = k == at ? coro : gen_of_frame(r, f);
		step.qualname = f->qualname;
		if (k != at && task_map_find(&r->coros, step.object, &other))
			break;
		if (step.object && !gen_is(r, step.object, &step.kind))
			step.object = 0;
		err = append(r, task, &step);
	}
	return err;
}

/* ---- suspended ones ---- */

static const char *read_qualname(struct task_reader *r, uint64_t str)
{
	buf_clear(&r->scratch);
	struct err *err = py_text_str(r->w->mem, r->w->off, str, NAME_CHARS, &r->scratch);
	if (err) {
		buf_clear(&r->scratch);
		buf_printf(&r->scratch, "<corrupt: %s>", err->msg);
		err_drop(err);
	}
	return task_text(r);
}

static struct err *append_suspended(struct task_reader *r, struct py_task *task, uint64_t object,
				    const struct gen *g, const char *qualname)
{
	struct py_await step = { .kind = g->kind, .object = object, .qualname = qualname };
	struct err *err = py_frame_single(r->w, g->frame, &step.frame);
	if (err && err->code == ERR_NOMEM)
		return err;
	if (err) {
		task_say(r, &task->corrupt, err);
		return NULL;
	}
	return append(r, task, &step);
}

/* What a chain ends in that is no coroutine: the future, as a rule. */
static struct err *end_in(struct task_reader *r, struct py_task *task, uint64_t object)
{
	if (!object || object == task->future || task_class_of(r, object) != TASK_OTHER)
		return NULL;
	buf_clear(&r->scratch);
	buf_printf(&r->scratch, "%s at 0x%" PRIx64, task_type_name(r, object), object);
	task->what = task_text(r);
	return task->what ? NULL : &err_nomem;
}

static struct err *follow(struct task_reader *r, struct py_task *task, uint64_t *object, bool *more)
{
	enum py_await_kind kind;
	struct gen g;
	bool future = false;
	*more = false;
	if (stands_for(r, *object, &future)) {
		*more = !future;
		return val_word(&r->v, *object, r->v.off->object.var_size, object);
	}
	if (!gen_is(r, *object, &kind))
		return end_in(r, task, *object);
	struct err *err = gen_read(r, *object, kind, &g);
	if (err)
		return err;
	const char *qualname = read_qualname(r, g.qualname);
	if (!qualname)
		return &err_nomem;
	if (!task->nawaits)
		task->coro = qualname;
	if (g.state == GEN_FINISHED)
		return NULL;
	if (g.state == GEN_RUNNING)
		return append_running(r, task, *object, &g);
	if (!task->nawaits && g.state == GEN_CREATED)
		task->state = PY_TASK_CREATED;
	err = append_suspended(r, task, *object, &g, qualname);
	*object = g.awaited;
	*more = g.awaited != 0;
	return err;
}

/* ---- whose future the last step waits for ---- */

/* Of a method of asyncio's own classes: its self, if the class is that of the method. */
static struct err *tell_owner(struct task_reader *r, struct py_task *task,
			      const struct py_await *step, uint64_t self)
{
	const struct py_type *t;
	char cls[64];
	size_t len = strcspn(step->qualname, ".");
	if (len >= sizeof(cls) || val_is(&r->v, self, "cell"))
		return NULL;
	memcpy(cls, step->qualname, len);
	cls[len] = '\0';
	struct err *err = val_type_of(&r->v, self, &t);
	if (err)
		return err;
	const char *name = t->name;
	while (t && strcmp(t->name, cls) != 0) {
		uint64_t base = t->base;
		t = NULL;
		err = base ? val_type(&r->v, base, &t) : NULL;
		if (err)
			return err;
	}
	if (!t)
		return NULL;
	buf_clear(&r->scratch);
	buf_printf(&r->scratch, "%s at 0x%" PRIx64, name, self);
	task->what = task_text(r);
	return task->what ? NULL : &err_nomem;
}

static struct err *tell_delay(struct task_reader *r, struct py_task *task, uint64_t delay)
{
	if (!val_is(&r->v, delay, "int") && !val_is(&r->v, delay, "float"))
		return NULL;
	struct buf text = { 0 };
	buf_puts(&text, "sleep(");
	py_value_put(&r->v, delay, &text);
	buf_puts(&text, ")");
	task->what = text.failed ? NULL : arena_strdup(&r->t->texts, text.data, text.len);
	r->v.out = &r->scratch;
	buf_deinit(&text);
	return task->what ? NULL : &err_nomem;
}

/* The first argument of asyncio's innermost step says it: self, or sleep()'s delay. */
static struct err *tell_what(struct task_reader *r, struct py_task *task)
{
	struct err *err = NULL;
	for (size_t i = task->nawaits; !err && !task->what && i-- > 0;) {
		const struct py_await *step = &r->t->awaits[task->first_await + i];
		uint64_t first = 0;
		if (step->frame.corrupt || step->kind == PY_AWAIT_CALL ||
		    !strstr(step->frame.file, "/asyncio/"))
			return NULL;
		err = val_word(&r->v, step->frame.addr, r->v.lay.frame.localsplus, &first);
		first &= ~(uint64_t)r->w->off->code_tag;
		if (err || !first)
			break;
		if (strcmp(step->qualname, "sleep") == 0)
			err = tell_delay(r, task, first);
		else if (strchr(step->qualname, '.'))
			err = tell_owner(r, task, step, first);
	}
	if (!err || err->code == ERR_NOMEM)
		return err;
	err_drop(err); /* it is a comfort */
	return NULL;
}

/* ---- the whole chain ---- */

static struct err *name_other(struct task_reader *r, struct py_task *task, uint64_t coro)
{
	if (task->nawaits || strcmp(task->coro, "?") != 0)
		return NULL;
	buf_clear(&r->scratch);
	buf_printf(&r->scratch, "<%s at 0x%" PRIx64 ">", task_type_name(r, coro), coro);
	task->coro = task_text(r);
	return task->coro ? NULL : &err_nomem;
}

struct err *task_chain_read(struct task_reader *r, struct py_task *task, uint64_t coro)
{
	struct py_brent brent = { 0 };
	uint64_t object = coro;
	bool more = true;
	struct err *err = NULL;
	task->first_await = r->t->nawaits;
	for (size_t i = 0; !err && more; i++) {
		if (i >= PY_AWAITS_MAX)
			err = err_new(ERR_BAD_DATA, "more awaits than %u", PY_AWAITS_MAX);
		else if (py_brent_seen(&brent, object, i))
			err = err_new(ERR_BAD_DATA, "the awaits form a cycle at 0x%" PRIx64,
				      object);
		else
			err = follow(r, task, &object, &more);
		task_allow(r);
	}
	if (err && err->code == ERR_NOMEM)
		return err;
	task_say(r, &task->corrupt, err);
	err = name_other(r, task, coro);
	if (!err && task->state == PY_TASK_WAITING)
		err = tell_what(r, task);
	return err;
}
