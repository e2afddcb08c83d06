/* SPDX-License-Identifier: MIT */
#include "stub/stacks.h"

#include <stdio.h>
#include <string.h>

#include "qxfer/js.h"
#include "qxfer/python.h"
#include "stub/target/look.h"
#include "stub/unwind_store.h"

static struct err *put_document(const struct stacks_options *o, struct python *py,
				const struct space *space, struct buf *out)
{
	char annex[64];
	snprintf(annex, sizeof(annex), "%s%s;format=json", o->locals ? ";locals" : "",
		 o->native ? ";native" : "");
	return python_frames_document(py, space, annex, out);
}

static unsigned int style(const struct stacks_options *o)
{
	return (o->full ? PYTHON_FULL : 0u) | (o->color ? PYTHON_COLOR : 0u) |
	       (o->locals ? PYTHON_LOCALS : 0u) | (o->native ? PYTHON_NATIVE : 0u);
}

static struct err *put_js(const struct stacks_options *o, struct v8 *v8, const struct space *space,
			  struct buf *out)
{
	unsigned int how = (o->full ? JS_FULL : 0u) | (o->color ? JS_COLOR : 0u) |
			   (o->native ? JS_NATIVE : 0u);
	return o->json ? js_frames_document(v8, space,
					    o->native ? ";native;format=json" : ";format=json", out)
		       : js_stacks_text(v8, space, how, out);
}

static bool python_is_there(struct python *py, const struct space *space)
{
	struct err *err = python_find(py, space);
	bool found = !err;
	err_drop(err);
	return found;
}

/*
 * JavaScript where there is V8 and no Python.  Of a process with both Python's are told, and as text
 * those of JavaScript before them.
 */
static struct err *put_js_or_python(const struct stacks_options *o, struct stacks_found *f,
				    const struct space *space, struct py_quotes *quotes,
				    struct buf *out)
{
	_cleanup_buf_ struct buf js = { 0 };
	struct err *err = put_js(o, f->v8, space, &js);
	bool has_js = !err;

	if (err && err->code != ERR_NOT_FOUND && err->code != ERR_STATE)
		return err;
	err_drop(err);
	if (has_js && !python_is_there(f->python, space)) {
		buf_put(out, js.data, js.len);
		return NULL;
	}
	if (o->json)
		return put_document(o, f->python, space, out);
	buf_put(out, js.data, js.len);
	buf_puts(out, has_js ? "\n" : "");
	return python_stacks_text(f->python, space, style(o), quotes, out);
}

static struct err *put_stacks(struct target *t, struct stacks_found *f,
			      const struct stacks_options *o, struct py_quotes *quotes,
			      struct buf *out)
{
	struct python *py = f->python;
	const struct space *space;
	struct err *err = target_space(t, &space);
	if (err)
		return err;
	if (o->locks)
		return o->json ? python_locks_document(py, space, ";format=json", out)
			       : python_locks_text(py, space, out);
	if (o->tasks)
		return o->json ? python_tasks_document(py, space, ";format=json", out)
			       : python_tasks_text(py, space, style(o), out);
	return put_js_or_python(o, f, space, quotes, out);
}

/* ---- before the stop ---- */

void stacks_found_deinit(struct stacks_found *f)
{
	python_destroy(f->python);
	v8_destroy(f->v8);
	jit_destroy(f->jit);
	buf_deinit(&f->auxv);
	*f = (struct stacks_found){ 0 };
}

static struct err *create(struct stacks_found *f)
{
	struct err *err = python_create(&f->python);
	if (!err)
		err = jit_create(&f->jit);
	if (!err)
		err = v8_create(&f->v8);
	if (err)
		return err;
	v8_set_jit(f->v8, f->jit);
	jit_set_store(f->jit, &unwind_store);
	python_set_jit(f->python, f->jit);
	return NULL;
}

static struct err *find(struct target *t, struct stacks_found *f)
{
	const struct space *space;
	struct err *err = t->ops->auxv(t, &f->auxv);
	if (!err)
		err = target_space(t, &space);
	if (!err)
		err = create(f);
	if (!err)
		err = python_find(f->python, space);
	return err;
}

struct err *stacks_prepare(pid_t pid, struct stacks_found *ret)
{
	struct target *target;
	*ret = (struct stacks_found){ 0 };
	struct err *err = look_open(pid, LOOK_TRIES, &target);
	if (!err) {
		err = find(target, ret);
		target->ops->destroy(target);
	}
	if (!err)
		return NULL;
	/* What was not found in a process that runs may be there in one that does not. */
	stacks_found_deinit(ret);
	if (err->code == ERR_NOMEM)
		return err;
	err_drop(err);
	return NULL;
}

/* A process may run another program by now: then its auxiliary vector is another. */
static struct err *check_found(struct target *t, struct stacks_found *f)
{
	_cleanup_buf_ struct buf now = { 0 };
	struct err *err = f->python ? t->ops->auxv(t, &now) : NULL;
	bool same = !err && f->auxv.len == now.len &&
		    (!now.len || memcmp(f->auxv.data, now.data, now.len) == 0);
	err_drop(err);
	if (f->python && same)
		return NULL;
	stacks_found_deinit(f);
	return create(f);
}

/* ---- during it ---- */

struct err *stacks_read(struct target *t, struct stacks_found *found,
			const struct stacks_options *o, struct py_quotes *quotes, struct buf *out)
{
	struct err *err = check_found(t, found);
	if (!err)
		err = put_stacks(t, found, o, quotes, out);
	if (!err && out->failed)
		err = &err_nomem;
	return err;
}
