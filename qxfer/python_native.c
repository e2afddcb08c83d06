/* SPDX-License-Identifier: MIT */
#include "qxfer/python_native.h"

#include <string.h>

#include "qxfer/python/text.h"

struct err *pynative_walk(struct python *py, const struct space *s, const struct py_walk *walk,
			  bool wanted, const struct py_snapshot **ret)
{
	static const struct py_snapshot none = { .version = "none", .verified = true };
	if (wanted && s->tries)
		return err_new(ERR_STATE, "native frames need a process that stands still");
	struct err *err = python_walk(py, s, walk, ret);
	if (wanted && err_catch(&err, ERR_NOT_FOUND))
		*ret = &none;
	return err;
}

struct err *pynative_end(struct pynative *n, struct err *err)
{
	buf_deinit(&n->text);
	if (!err)
		return n->err;
	err_drop(n->err);
	return err;
}

bool pynative_has_thread(const struct space *s, pid_t tid)
{
	for (size_t i = 0; i < s->nthreads; i++)
		if (s->threads[i].tid == tid)
			return true;
	return false;
}

bool pynative_read(struct pynative *n, pid_t tid)
{
	if (!tid || n->err)
		return false;
	if (n->read == tid)
		return true;
	n->read = 0;
	n->err = python_mixed(n->python, n->space, tid, &n->mixed);
	if (!n->err)
		n->read = tid;
	return !n->err;
}

/* Names come from files: any bytes may be in them. */
const char *pynative_safe(struct pynative *n, const char *name)
{
	buf_clear(&n->text);
	py_text_put_bytes(&n->text, (const uint8_t *)name, strlen(name));
	buf_put(&n->text, "", 1);
	return n->text.failed ? "" : (const char *)n->text.data;
}

void pynative_put_fields(struct tree *t, struct pynative *n, const struct native_frame *f)
{
	tree_address(t, "pc", f->pc);
	if (f->cfa)
		tree_address(t, "cfa", f->cfa);
	if (f->symbol) {
		tree_text(t, "name", pynative_safe(n, f->symbol));
		tree_int(t, "offset", (int64_t)f->offset);
	}
	if (f->module) {
		tree_text(t, "module", pynative_safe(n, f->module));
		tree_address(t, "module-offset", f->module_offset);
	}
	tree_flag(t, "exact", f->exact);
	tree_flag(t, "signal", f->signal);
}

void pynative_put(struct tree *t, struct pynative *n, const struct py_mixed_item *item, int64_t at)
{
	bool cut = item->kind == PY_MIXED_CUT;
	tree_open(t, cut ? "cut" : "native");
	if (t->json)
		tree_text(t, "kind", cut ? "cut" : "native");
	if (!cut)
		tree_int(t, "level", (int64_t)item->index);
	if (at >= 0)
		tree_int(t, "at", at);
	if (cut)
		tree_text(t, "reason", n->mixed.native.cut);
	else
		pynative_put_fields(t, n, &n->mixed.native.frames[item->index]);
	if (item->loop >= 0)
		tree_int(t, "runs", item->loop);
	tree_close(t);
}

bool pynative_has_state(const struct py_snapshot *snap, pid_t tid)
{
	for (size_t i = 0; i < snap->nthreads; i++)
		if (snap->threads[i].tid == tid)
			return true;
	return false;
}

static void put_other(struct tree *t, struct pynative *n, pid_t tid)
{
	if (!pynative_read(n, tid))
		return;
	tree_open(t, "native-thread");
	tree_int(t, "tid", tid);
	tree_list(t, "frames");
	for (size_t i = 0; i < n->mixed.n; i++)
		pynative_put(t, n, &n->mixed.items[i], (int64_t)i);
	tree_list_end(t);
	tree_close(t);
}

void pynative_put_others(struct tree *t, struct pynative *n, const struct py_snapshot *snap,
			 size_t max)
{
	tree_list(t, "native-threads");
	for (size_t i = 0; i < n->space->nthreads && t->out->len < max; i++) {
		pid_t tid = n->space->threads[i].tid;
		if ((!n->tid || n->tid == tid) && !pynative_has_state(snap, tid))
			put_other(t, n, tid);
	}
	tree_list_end(t);
}
