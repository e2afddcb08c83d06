/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/js.h"
#include "qxfer/python/text.h"

/* Bytes after which frames are cut; only garbage makes a text that long. */
#define TEXT_MAX (256u << 20)

#define YELLOW "\033[33m"
#define GREEN  "\033[32m"
#define PLAIN  "\033[0m"

struct jstext {
	const struct v8_snapshot *snap;
	unsigned int style;
	struct buf *out;
};

static void put_painted(const struct jstext *w, const char *paint, const char *text)
{
	if (w->style & JS_COLOR)
		buf_puts(w->out, paint);
	buf_puts(w->out, text);
	if (w->style & JS_COLOR)
		buf_puts(w->out, PLAIN);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* "f.js:14:7"; of a builtin what V8 calls it. */
static void put_place(const struct v8_frame *f, const char *script, struct buf *out)
{
	if (!f->script) {
		buf_puts(out, f->builtin ? "builtin " : v8_kind_name(f->kind));
		buf_puts(out, f->builtin ? f->builtin : "");
		return;
	}
	buf_puts(out, *script ? script : "<anonymous>");
	if (f->line > 0)
		buf_printf(out, ":%" PRId32, f->line);
	if (f->line > 0 && f->column > 0 && !f->approximate)
		buf_printf(out, ":%" PRId32, f->column);
	if (f->approximate && f->line > 0)
		buf_puts(out, ", begins there");
}

static void put_details(const struct jstext *w, const struct v8_frame *f)
{
	buf_printf(w->out, "      %s%s", v8_kind_name(f->kind), f->inlined ? ", inlined" : "");
	if (f->offset >= 0)
		buf_printf(w->out, ", bytecode offset %" PRId32, f->offset);
	buf_printf(w->out, ", function 0x%" PRIx64 ", pc 0x%" PRIx64 ", fp 0x%" PRIx64 "\n",
		   f->function, f->pc, f->fp);
}

/* As V8 prints a stack: "    at f (file.js:14:7)". */
static void put_frame(const struct jstext *w, const struct v8_frame *f)
{
	buf_puts(w->out, "  at ");
	put_painted(w, GREEN, *f->name ? f->name : "<anonymous>");
	buf_puts(w->out, " (");
	put_place(f, f->script, w->out);
	buf_puts(w->out, ")");
	if (f->corrupt)
		buf_printf(w->out, " <corrupt: %s>", f->corrupt);
	buf_puts(w->out, "\n");
	if (w->style & JS_FULL)
		put_details(w, f);
}

static void put_native(const struct jstext *w, const struct native_frame *f)
{
	struct buf *out = w->out;
	buf_puts(out, "  C  ");
	if (f->symbol) {
		py_text_put_bytes(out, (const uint8_t *)f->symbol, strlen(f->symbol));
		buf_printf(out, "+%" PRIu64 " (", f->offset);
	}
	if (f->module) {
		const char *name = base_name(f->module);
		py_text_put_bytes(out, (const uint8_t *)name, strlen(name));
	} else {
		buf_printf(out, "0x%" PRIx64, f->pc);
	}
	if (f->symbol)
		buf_puts(out, ")");
	else if (f->module)
		buf_printf(out, "+0x%" PRIx64, f->module_offset);
	buf_puts(out, f->signal ? ", signal handler called\n" : "\n");
}

static void put_frames(const struct jstext *w, const struct v8_thread *t)
{
	const struct v8_frame *frame = w->snap->frames + t->first_frame;
	size_t k = 0;

	for (size_t i = 0; i < t->nnative && w->out->len < TEXT_MAX; i++) {
		size_t before = k;
		for (; k < t->nframes && frame[k].native == i; k++)
			put_frame(w, &frame[k]);
		if (k == before)
			put_native(w, &w->snap->native[t->first_native + i]);
	}
	for (; k < t->nframes && w->out->len < TEXT_MAX; k++)
		put_frame(w, &frame[k]);
	if (!t->nframes && !t->nnative)
		buf_puts(w->out, "  <no JavaScript>\n");
	if (t->corrupt)
		buf_printf(w->out, "  <corrupt: %s>\n", t->corrupt);
	if (t->cut)
		buf_printf(w->out, "  <C frames end: %s>\n", t->cut);
}

static void put_thread(const struct jstext *w, const struct v8_thread *t)
{
	_cleanup_buf_ struct buf title = { 0 };
	buf_printf(&title, "Thread %d (JavaScript", (int)t->tid);
	if (t->isolate)
		buf_printf(&title, ", isolate 0x%" PRIx64, t->isolate);
	buf_puts(&title, ") (most recent call first):");
	buf_put(&title, "", 1);
	put_painted(w, YELLOW, title.failed ? "" : (const char *)title.data);
	buf_puts(w->out, "\n");
	put_frames(w, t);
}

static void put_doubt(const struct jstext *w)
{
	if (!w->snap->verified)
		buf_printf(w->out, "Warning: this V8 was never tested; it is read as %s.\n",
			   w->snap->version);
}

static void put_all(const struct jstext *w)
{
	put_doubt(w);
	for (size_t i = 0; i < w->snap->nthreads; i++) {
		if (i)
			buf_puts(w->out, "\n");
		put_thread(w, &w->snap->threads[i]);
	}
	if (!w->snap->nthreads)
		buf_puts(w->out, "No thread runs JavaScript.\n");
}

struct err *js_stacks_text(struct v8 *v, const struct space *s, unsigned int style, struct buf *out)
{
	const struct v8_walk walk = { .native = style & JS_NATIVE };
	struct jstext w = { .style = style, .out = out };
	struct err *err = v8_walk(v, s, &walk, &w.snap);
	if (!err)
		put_all(&w);
	return err;
}

/* ---- js-bt ---- */

struct words {
	bool all;
	unsigned int style;
	pid_t tid;
};

static void want_all(struct words *w)
{
	w->all = true;
}

static void want_full(struct words *w)
{
	w->style |= JS_FULL;
}

static void want_native(struct words *w)
{
	w->style |= JS_NATIVE;
}

static struct err *parse_word(const char *text, size_t len, struct words *w)
{
	static const struct {
		const char *word;
		void (*take)(struct words *w);
	} words[] = { { "all", want_all }, { "full", want_full }, { "native", want_native } };
	char number[16] = "", *end;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].word) != len || memcmp(words[i].word, text, len) != 0)
			continue;
		words[i].take(w);
		return NULL;
	}
	if (len < sizeof(number))
		memcpy(number, text, len);
	unsigned long tid = strtoul(number, &end, 10);
	if (!*number || *end || !tid || tid > INT32_MAX)
		return err_new(ERR_BAD_DATA, "js-bt takes all, full, native, or a thread, not %.*s",
			       len < 40 ? (int)len : 40, text);
	w->tid = (pid_t)tid;
	return NULL;
}

struct err *js_bt_text(struct v8 *v, const struct space *s, pid_t tid, const char *args,
		       struct buf *out)
{
	struct words words = { .tid = tid };
	struct err *err = NULL;

	while (!err && *(args += strspn(args, " \t"))) {
		size_t len = strcspn(args, " \t");
		err = parse_word(args, len, &words);
		args += len;
	}
	struct jstext w = { .style = words.style, .out = out };
	const struct v8_walk walk = { .tid = words.all ? 0 : words.tid,
				      .native = words.style & JS_NATIVE };
	if (!err)
		err = v8_walk(v, s, &walk, &w.snap);
	if (!err && walk.tid && !w.snap->nthreads)
		err = err_new(ERR_NOT_FOUND, "thread %d runs no JavaScript", (int)walk.tid);
	if (!err)
		put_all(&w);
	return err;
}

/* ---- a list of threads ---- */

struct err *js_thread_text(struct v8 *v, const struct space *s, pid_t tid, struct buf *out)
{
	const struct v8_walk walk = { .in_passing = true };
	const struct v8_snapshot *snap;

	struct err *err = v8_walk(v, s, &walk, &snap);
	for (size_t i = 0; !err && i < snap->nthreads; i++) {
		const struct v8_thread *t = &snap->threads[i];
		if (t->tid != tid || !t->nframes)
			continue;
		const struct v8_frame *f = &snap->frames[t->first_frame];
		buf_puts(out, *f->name ? f->name : "<anonymous>");
		buf_puts(out, " (");
		put_place(f, f->script ? base_name(f->script) : "", out);
		buf_puts(out, ")");
		return NULL;
	}
	return err ? err : err_new(ERR_NOT_FOUND, "thread %d runs no JavaScript", (int)tid);
}
