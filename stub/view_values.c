/* SPDX-License-Identifier: MIT */
/* The variables of a frame, as text in the overlay. */
#include <string.h>

#include "stub/view_priv.h"

static struct err *open_values(struct session *s, struct py_values **ret)
{
	static const struct py_limits limits = { .bytes = VIEW_TEXT_MAX };
	struct view *v = s->view;
	const struct space *space;

	/* What is learned of types holds until something is written. */
	if (v->values_open && v->values_generation != s->target->mem.generation)
		view_close_values(v);
	if (!v->values_open) {
		struct err *err = target_space(s->target, &space);
		if (!err)
			err = python_values(s->python, space, &limits, &v->values);
		if (err)
			return err;
		v->values_open = true;
		v->values_generation = s->target->mem.generation;
	}
	*ret = &v->values;
	return NULL;
}

struct filler {
	struct buf *texts;
	struct view_frame *frame;
	size_t next; /* the variable that is expected */
};

/* Where the text begins; the same for all that are too many. */
uint64_t view_put_text(struct buf *texts, const char *text, uint64_t *len)
{
	if (texts->len > VIEW_TEXTS_MAX)
		text = "...";
	uint64_t addr = VIEW_TEXTS + texts->len;
	*len = strlen(text);
	buf_put(texts, text, *len + 1);
	return addr;
}

static void fill(struct filler *w, size_t i, const char *text)
{
	struct synth_slot *slot = &w->frame->slot[w->frame->function->code.nvariables - 1 - i];
	slot->text = view_put_text(w->texts, text, &slot->len);
	synth_slot_parse(text, slot);
}

static void fill_variable(void *arg, const struct py_local *local)
{
	struct filler *w = arg;
	const struct synth_code *code = &w->frame->function->code;

	if (local->kind == PY_LOCAL_NAME)
		return;
	for (size_t n = 0; n < code->nvariables; n++) {
		size_t i = (w->next + n) % code->nvariables;
		if (strcmp(code->variables[i].name, local->name) != 0)
			continue;
		fill(w, i, *local->repr ? local->repr : "<not set>");
		w->next = i + 1;
		return;
	}
}

/* What no visit told of says why. */
static void fill_rest(struct filler *w, const char *why)
{
	size_t n = w->frame->function->code.nvariables;
	uint64_t len, text = 0;

	for (size_t i = 0; i < n; i++) {
		struct synth_slot *slot = &w->frame->slot[i];
		if (slot->text)
			continue;
		if (!text)
			text = view_put_text(w->texts, why, &len);
		*slot = (struct synth_slot){ .text = text, .len = len };
	}
}

static const char *describe_failure(const struct session *s, const struct err *err)
{
	return s->target->look ? "<the process runs>" : err->msg;
}

static struct err *make_slots(struct view_frame *f, struct arena *arena)
{
	f->slot = arena_alloc(arena, (f->function->code.nvariables + 1) * sizeof(*f->slot));
	return f->slot ? NULL : &err_nomem;
}

/*
 * lldb keeps lines of memory as it has read them first, with nothing in them where texts are
 * made later: those begin another line.
 */
static void begin_line(const struct session *s, struct buf *texts)
{
	static const uint8_t nothing[MIXED_LINE_MAX];
	size_t over = texts->len % sizeof(nothing);

	if (s->peer.lldb && over)
		buf_put(texts, nothing, sizeof(nothing) - over);
}

struct err *view_read_slots(struct session *s, struct view_frame *f)
{
	struct filler w = { .texts = &s->view->texts, .frame = f };
	struct py_values *values;

	struct err *fatal = make_slots(f, &s->view->arena);
	if (fatal)
		return fatal;
	begin_line(s, w.texts);
	struct err *err = open_values(s, &values);
	if (!err)
		err = py_locals_visit(values, &f->frame, fill_variable, &w);
	if (err)
		fill_rest(&w, describe_failure(s, err));
	else
		fill_rest(&w, "<not set>");
	err_drop(err);
	return w.texts->failed ? &err_nomem : NULL;
}

uint64_t view_file(struct session *s, pid_t tid)
{
	uint64_t len;

	for (size_t i = 0; view_load(s) && i < s->view->nthreads; i++) {
		const struct view_thread *t = &s->view->threads[i];
		struct view_frame *f = &s->view->frames[t->first];
		if (!t->n || (t->id != tid && t->tid != tid))
			continue;
		if (!f->function || f->frame.corrupt)
			return 0;
		if (!f->file)
			begin_line(s, &s->view->texts);
		if (!f->file)
			f->file = view_put_text(&s->view->texts, f->function->code.file, &len);
		return s->view->texts.failed ? 0 : f->file;
	}
	return 0;
}
