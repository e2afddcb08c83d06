/* SPDX-License-Identifier: MIT */
#include "qxfer/js.h"

#include <string.h>

#include "qxfer/documents.h"
#include "qxfer/python_native.h"
#include "qxfer/request.h"
#include "qxfer/tree.h"

/* Bytes after which a thread's frames are cut; only garbage makes a document that long. */
#define DOCUMENT_MAX (256u << 20)

static void put_frame(struct tree *t, const struct v8_frame *f, size_t level)
{
	tree_open(t, "frame");
	tree_int(t, "level", (int64_t)level);
	tree_text(t, "kind", v8_kind_name(f->kind));
	tree_text(t, "name", f->name);
	if (f->script)
		tree_text(t, "script", f->script);
	if (f->line > 0)
		tree_int(t, "line", f->line);
	if (f->column > 0)
		tree_int(t, "column", f->column);
	if (f->builtin)
		tree_text(t, "builtin", f->builtin);
	if (f->offset >= 0)
		tree_int(t, "bytecode-offset", f->offset);
	if (f->function)
		tree_address(t, "function", f->function);
	tree_address(t, "pc", f->pc);
	tree_address(t, "fp", f->fp);
	if (f->corrupt)
		tree_text(t, "corrupt", f->corrupt);
	tree_flag(t, "inlined", f->inlined);
	tree_flag(t, "approximate", f->approximate);
	tree_close(t);
}

static void put_native(struct tree *t, struct pynative *text, const struct native_frame *f,
		       size_t level)
{
	tree_open(t, "native");
	if (t->json)
		tree_text(t, "kind", "native");
	tree_int(t, "level", (int64_t)level);
	pynative_put_fields(t, text, f);
	tree_close(t);
}

static void put_cut(struct tree *t, const char *reason)
{
	if (!reason)
		return;
	tree_open(t, "cut");
	if (t->json)
		tree_text(t, "kind", "cut");
	tree_text(t, "reason", reason);
	tree_close(t);
}

/* Frames of JavaScript and, where there are any in the snapshot, C's that they are none of. */
static void put_frames(struct tree *t, struct pynative *text, const struct v8_snapshot *snap,
		       const struct v8_thread *th)
{
	const struct v8_frame *frame = snap->frames + th->first_frame;
	size_t k = 0;

	for (size_t i = 0; i < th->nnative && t->out->len < DOCUMENT_MAX; i++) {
		size_t before = k;
		for (; k < th->nframes && frame[k].native == i; k++)
			put_frame(t, &frame[k], k);
		if (k == before)
			put_native(t, text, &snap->native[th->first_native + i], i);
	}
	for (; k < th->nframes && t->out->len < DOCUMENT_MAX; k++)
		put_frame(t, &frame[k], k);
}

static void put_thread(struct tree *t, struct pynative *text, const struct v8_snapshot *snap,
		       const struct v8_thread *th)
{
	tree_open(t, "thread");
	tree_int(t, "tid", th->tid);
	if (th->isolate)
		tree_address(t, "isolate", th->isolate);
	tree_list(t, "frames");
	put_frames(t, text, snap, th);
	put_cut(t, th->cut);
	tree_list_end(t);
	tree_corrupt(t,
		     t->out->len < DOCUMENT_MAX ? th->corrupt : "the document would be too long");
	tree_close(t);
}

static void put_document(struct tree *t, const struct v8_snapshot *snap)
{
	struct pynative text = { .python = NULL };

	tree_open(t, "js-frames");
	tree_text(t, "version", "1.0");
	tree_text(t, "v8", snap->version);
	if (t->json)
		tree_flag(t, "verified", snap->verified);
	else
		tree_text(t, "verified", snap->verified ? "yes" : "no");
	tree_list(t, "threads");
	for (size_t i = 0; i < snap->nthreads; i++)
		put_thread(t, &text, snap, &snap->threads[i]);
	tree_list_end(t);
	tree_close(t);
	buf_deinit(&text.text);
}

struct err *js_frames_document(struct v8 *v, const struct space *s, const char *annex,
			       struct buf *out)
{
	const struct v8_snapshot *snap;
	struct request r;
	struct tree t;

	struct err *err = request_parse("js-frames", REQUEST_NATIVE, annex, &r);
	const struct v8_walk walk = { .tid = err ? 0 : r.tid,
				      .native = !err && r.options & REQUEST_NATIVE };
	if (!err)
		err = v8_walk(v, s, &walk, &snap);
	if (!err && r.tid && !snap->nthreads)
		err = err_new(ERR_NOT_FOUND, "thread %d runs no JavaScript", (int)r.tid);
	if (err)
		return err;
	tree_begin(&t, out, r.json, "js-frames SYSTEM \"js-frames.dtd\"");
	put_document(&t, snap);
	tree_end(&t);
	return NULL;
}

DOCUMENT(build_js_frames)
{
	const struct space *space;
	if (!ctx->v8)
		return err_new(ERR_STATE, "there is no memory for JavaScript's stacks");
	struct err *err = target_space(ctx->target, &space);
	return err ? err : js_frames_document(ctx->v8, space, annex, out);
}
