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
	struct view *v;
	struct view_frame *frame;
	size_t next; /* the variable that is expected */
};

/* Where the text begins; the same for all that are too many. */
static uint64_t put_text(struct view *v, const char *text, uint64_t *len)
{
	if (v->texts.len > VIEW_TEXTS_MAX)
		text = "...";
	uint64_t addr = VIEW_TEXTS + v->texts.len;
	*len = strlen(text);
	buf_put(&v->texts, text, *len + 1);
	return addr;
}

static void fill(struct filler *w, size_t i, const char *text)
{
	struct synth_slot *slot = &w->frame->slot[w->frame->function->code.nvariables - 1 - i];
	slot->text = put_text(w->v, text, &slot->len);
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
			text = put_text(w->v, why, &len);
		*slot = (struct synth_slot){ .text = text, .len = len };
	}
}

static const char *describe_failure(const struct session *s, const struct err *err)
{
	return s->target->look ? "<the process runs>" : err->msg;
}

struct err *view_read_slots(struct session *s, struct view_frame *f)
{
	struct filler w = { .v = s->view, .frame = f };
	struct py_values *values;

	f->slot = arena_alloc(&w.v->arena, (f->function->code.nvariables + 1) * sizeof(*f->slot));
	if (!f->slot)
		return &err_nomem;
	struct err *err = open_values(s, &values);
	if (!err)
		err = py_locals_visit(values, &f->frame, fill_variable, &w);
	if (err)
		fill_rest(&w, describe_failure(s, err));
	else
		fill_rest(&w, "<not set>");
	err_drop(err);
	return w.v->texts.failed ? &err_nomem : NULL;
}
