/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "qxfer/python_text.h"

/* Bytes after which frames are cut; only garbage makes a text that long. */
#define TEXT_MAX (256u << 20)

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static void put_details(const struct pytext *w, const struct native_frame *f, int32_t loop)
{
	buf_printf(w->out, "    at 0x%" PRIx64 ", frame 0x%" PRIx64, f->pc, f->cfa);
	if (f->module) {
		buf_puts(w->out, ", ");
		buf_puts(w->out, pynative_safe(w->native, f->module));
		buf_printf(w->out, " + 0x%" PRIx64, f->module_offset);
	}
	if (loop >= 0)
		buf_printf(w->out, ", runs %" PRId32 " Python frame%s", loop, loop == 1 ? "" : "s");
	buf_puts(w->out, "\n");
}

/* "  C  poll+79 (libc.so.6)"; without a name "  C  libc.so.6+0xcf545". */
static void put_native(const struct pytext *w, const struct native_frame *f, int32_t loop)
{
	struct buf *out = w->out;
	buf_puts(out, "  C  ");
	if (f->symbol) {
		pytext_put_name(w, pynative_safe(w->native, f->symbol));
		buf_printf(out, "+%" PRIu64 " (", f->offset);
	}
	if (f->module)
		buf_puts(out, pynative_safe(w->native, base_name(f->module)));
	else
		buf_printf(out, "0x%" PRIx64, f->pc);
	if (f->symbol)
		buf_puts(out, ")");
	else if (f->module)
		buf_printf(out, "+0x%" PRIx64, f->module_offset);
	if (!f->symbol && loop > 0)
		buf_puts(out, ", evaluation loop");
	buf_puts(out, f->signal ? ", signal handler called\n" : "\n");
	if (w->style & PYTHON_FULL)
		put_details(w, f, loop);
}

static void put_item(const struct pytext *w, const struct py_mixed_item *item)
{
	const struct py_mixed *m = &w->native->mixed;
	if (item->kind == PY_MIXED_PYTHON)
		pytext_put_frame(w, &w->snap->frames[item->index], "  ");
	else if (item->kind == PY_MIXED_NATIVE)
		put_native(w, &m->native.frames[item->index], item->loop);
	else
		buf_printf(w->out, "  <C frames end: %s>\n", m->native.cut);
}

static void put_mismatch(const struct pytext *w)
{
	const struct py_mixed *m = &w->native->mixed;
	if (m->mismatch)
		buf_printf(w->out, "  <mismatch: %s%s>\n", m->mismatch,
			   m->apart ? "; C frames follow the Python frames" : "");
}

static void put_corrupt(const struct pytext *w, const struct py_thread *const *state, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (state[i]->corrupt)
			buf_printf(w->out, "  <corrupt: %s>\n", state[i]->corrupt);
}

void pytext_put_mixed(const struct pytext *w, const struct py_thread *const *state, size_t n)
{
	const struct py_mixed *m = &w->native->mixed;
	uint32_t last = UINT32_MAX;
	put_mismatch(w);
	for (size_t i = 0; i < m->n && w->out->len < TEXT_MAX; i++) {
		const struct py_mixed_item *item = &m->items[i];
		if (n > 1 && item->kind == PY_MIXED_PYTHON && item->thread != last) {
			last = item->thread;
			pytext_put_state(w, &w->snap->threads[last], !m->apart);
		}
		put_item(w, item);
	}
	put_corrupt(w, state, n);
}

void pytext_put_other(const struct pytext *w, pid_t tid)
{
	char title[64];
	if (!pynative_read(w->native, tid))
		return;
	snprintf(title, sizeof(title), "Thread %d (no Python) (most recent call first):", (int)tid);
	pytext_put_title(w, title);
	buf_puts(w->out, "\n");
	const struct py_mixed *m = &w->native->mixed;
	for (size_t i = 0; i < m->n && w->out->len < TEXT_MAX; i++)
		put_item(w, &m->items[i]);
}

void pytext_put_others(const struct pytext *w)
{
	const struct space *s = w->native->space;
	for (size_t i = 0; i < s->nthreads; i++) {
		if (pynative_has_state(w->snap, s->threads[i].tid))
			continue;
		if (w->out->len)
			buf_puts(w->out, "\n");
		pytext_put_other(w, s->threads[i].tid);
	}
}
