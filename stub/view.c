/* SPDX-License-Identifier: MIT */
/* The view of a stop: from a walk to virtual threads and their frames. */
#include "stub/codelib.h"
#include "stub/view_priv.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/base/image.h"

struct err *view_create(const struct options *o, struct view **ret)
{
	struct view *v = calloc(1, sizeof(*v));
	if (!v)
		return &err_nomem;
	v->on = o->virtual_threads;
	v->mix = o->mixed;
	v->stop = 1;
	v->next_id = VIEW_TID_FIRST;
	*ret = v;
	return NULL;
}

void view_close_values(struct view *v)
{
	if (v->values_open)
		py_values_end(&v->values);
	v->values_open = false;
}

/* What is of one stop alone. */
static void forget_stop(struct view *v)
{
	view_close_values(v);
	arena_reset(&v->arena);
	buf_clear(&v->texts);
	free(v->memo);
	v->memo = NULL;
	v->nframes = v->nmemo = v->memo_slots = 0;
	v->slots_end = VIEW_SLOTS;
	v->loaded = 0;
	v->nudged = 0;
	view_mixed_forget(v);
	v->actual = 0;
}

void view_destroy(struct view *v)
{
	if (!v)
		return;
	forget_stop(v);
	view_close_dir(v);
	view_mixed_deinit(v);
	view_return_deinit(v);
	view_pose_deinit(v);
	synth_destroy(v->synth);
	names_deinit(&v->c_names);
	arena_deinit(&v->arena);
	buf_deinit(&v->texts);
	free(v->threads);
	free(v->frames);
	free(v->points);
	free(v->locals);
	free(v);
}

bool view_is_possible(const struct session *s)
{
	uint16_t machine = s->target->arch->elf_machine;
	return s->view && s->python && !s->nonstop.on &&
	       (machine == EM_X86_64 || machine == EM_AARCH64);
}

bool view_can_mix(const struct session *s)
{
	return view_is_possible(s) && s->target->arch->elf_machine == EM_X86_64;
}

bool view_is_on(const struct session *s)
{
	return view_is_possible(s) && s->view->on;
}

void view_switch(struct session *s, bool on)
{
	if (!s->view)
		return;
	s->view->on = on;
	view_moved(s);
}

void view_mix(struct session *s, bool on)
{
	if (!s->view)
		return;
	s->view->mix = on;
	view_moved(s);
}

void view_moved(struct session *s)
{
	if (!s->view)
		return;
	forget_stop(s->view);
	view_pose_end(s->view);
	s->view->posed = NULL;
	s->view->stop++;
}

void view_opened(struct session *s)
{
	view_moved(s);
	codelib_opened(s->codelib);
	if (!s->view)
		return;
	s->view->listed = s->view->deferred = false;
	s->view->announced = 0;
	view_forget_points(s->view);
}

bool view_grow(void **array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	size_t want = *cap ? *cap * 2 : 64;
	void *more = reallocarray(*array, want, size);
	if (!more)
		return false;
	*array = more;
	*cap = want;
	return true;
}

/* ---- threads ---- */

/* Walks give threads in one order mostly: the next one is behind the last one found. */
static struct view_thread *known_thread(struct view *v, const struct py_thread *th)
{
	for (size_t i = 0; i < v->nthreads; i++) {
		struct view_thread *t = &v->threads[++v->hint % v->nthreads];
		if (t->state == th->addr && t->tid == th->tid && t->ident == th->ident)
			return t;
	}
	return NULL;
}

static bool id_is_taken(const struct view *v, pid_t id)
{
	for (size_t i = 0; i < v->nthreads; i++)
		if (((uint32_t)(v->threads[i].id - id)) % VIEW_STACK_N == 0)
			return true;
	return false;
}

/* One that was not used lately, and whose place in memory is free. */
static pid_t new_id(struct view *v)
{
	pid_t id;
	do {
		id = v->next_id;
		v->next_id = id == VIEW_TID_LAST ? VIEW_TID_FIRST : id + 1;
	} while (id_is_taken(v, id));
	return id;
}

static struct err *add_thread(struct view *v, const struct py_thread *th, struct view_thread **ret)
{
	if (!view_grow((void **)&v->threads, v->nthreads, &v->threads_cap, sizeof(*v->threads)))
		return &err_nomem;
	struct view_thread *t = &v->threads[v->nthreads];
	*t = (struct view_thread){
		.id = new_id(v), .tid = th->tid, .state = th->addr, .ident = th->ident
	};
	v->nthreads++;
	*ret = t;
	return NULL;
}

/* Names of threads are any text; what a list of them could not bear was escaped before. */
static void name_thread(struct view_thread *t, const struct py_thread *th, pid_t pid)
{
	const char *name = th->name || th->tid != pid ? th->name : "MainThread";
	if (name)
		snprintf(t->name, sizeof(t->name), "python %s", name);
	else
		snprintf(t->name, sizeof(t->name), "python 0x%llx", (unsigned long long)th->ident);
	/* Not in the middle of a character. */
	size_t n = strlen(t->name);
	if (n == sizeof(t->name) - 1)
		while (n && (t->name[--n] & 0x80)) {
			bool first = (t->name[n] & 0x40) != 0;
			t->name[n] = '\0';
			if (first)
				break;
		}
}

static int by_id(const void *a, const void *b)
{
	const struct view_thread *x = a, *y = b;
	return (x->id > y->id) - (x->id < y->id);
}

static void drop_unseen(struct view *v)
{
	size_t n = 0;
	for (size_t i = 0; i < v->nthreads; i++)
		if (v->threads[i].seen)
			v->threads[n++] = v->threads[i];
	v->nthreads = n;
	if (n)
		qsort(v->threads, n, sizeof(*v->threads), by_id);
}

/* ---- frames ---- */

static struct err *add_frame(struct session *s, const struct space *space,
			     const struct py_frame *from, bool caller)
{
	struct view *v = s->view;
	struct err *err = NULL;
	if (!view_grow((void **)&v->frames, v->nframes, &v->frames_cap, sizeof(*v->frames)))
		return &err_nomem;
	struct view_frame *f = &v->frames[v->nframes];
	*f = (struct view_frame){ .frame = *from, .slots = v->slots_end };
	f->frame.name = f->frame.qualname = f->frame.file = "";
	f->function = from->corrupt ? view_nothing(v, from->qualname, &err)
				    : view_function(s, space, from->code_addr, &err);
	if (err)
		return err;
	if (f->function) {
		f->pc = synth_pc(f->function, from->lasti, caller);
		v->slots_end += f->function->code.nvariables * SYNTH_SLOT;
	}
	v->nframes++;
	return NULL;
}

/* Where a stack ends before its outermost frame, that frame says why. */
static struct err *add_end(struct view *v, const char *why)
{
	struct err *err = NULL;
	if (!view_grow((void **)&v->frames, v->nframes, &v->frames_cap, sizeof(*v->frames)))
		return &err_nomem;
	struct view_frame *f = &v->frames[v->nframes];
	*f = (struct view_frame){ .slots = v->slots_end };
	f->frame.corrupt = true;
	f->function = view_nothing(v, why, &err);
	if (err || !f->function)
		return err;
	f->pc = synth_pc(f->function, 0, true);
	v->nframes++;
	return NULL;
}

static struct err *put_frames(struct session *s, const struct space *space,
			      const struct py_snapshot *snap, const struct py_thread *th,
			      struct view_thread *t)
{
	struct view *v = s->view;
	struct err *err = NULL;
	char why[128];

	t->first = v->nframes;
	for (size_t i = 0; !err && i < th->nframes && v->nframes < VIEW_ALL_FRAMES_MAX; i++)
		err = add_frame(s, space, &snap->frames[th->first_frame + i], i > 0);
	if (!err && th->corrupt) {
		snprintf(why, sizeof(why), "<corrupt: %s>", th->corrupt);
		err = add_end(v, why);
	}
	t->n = v->nframes - t->first;
	return err;
}

static struct err *put_threads(struct session *s, const struct space *space,
			       const struct py_snapshot *snap)
{
	struct view *v = s->view;
	struct err *err = NULL;

	for (size_t i = 0; i < v->nthreads; i++)
		v->threads[i].seen = false;
	/* The newest is the first that an interpreter lists. */
	for (size_t i = snap->nthreads; !err && i-- > 0 && v->nthreads < VIEW_STACK_N / 2;) {
		const struct py_thread *th = &snap->threads[i];
		if (!th->tid || (!th->nframes && !th->corrupt))
			continue;
		struct view_thread *t = known_thread(v, th);
		if (!t)
			err = add_thread(v, th, &t);
		if (err)
			break;
		t->seen = true;
		name_thread(t, th, s->target->pid);
		err = put_frames(s, space, snap, th, t);
	}
	drop_unseen(v);
	return err;
}

/* ---- the whole ---- */

/* Whether the program's own file has a function `main' to be found in it. */
static bool has_main(const struct space *space)
{
	const struct map *m = maps_program(space->maps);
	struct image_symbol symbol;
	struct image img;

	if (!m)
		return false;
	struct err *err = image_open(space->mem, m->start, &img);
	if (err) {
		err_drop(err);
		return false;
	}
	int fd = space->open_map ? space->open_map(space->ctx, m) : -1;
	err = fd >= 0 ? image_add_file(&img, fd) : NULL;
	err_drop(err); /* then it has none that could be seen */
	bool found = image_find_static(&img, "main", &symbol) ||
		     image_find_dynamic(&img, "main", &symbol);
	image_deinit(&img);
	return found;
}

/* Not `main': a program's and a script's are never mistaken for each other. */
static bool is_c_name(void *view, const char *name)
{
	const struct view *v = view;
	return strcmp(name, "main") != 0 && names_has(&v->c_names, name);
}

static struct err *begin_synth(struct session *s, const struct space *space)
{
	struct view *v = s->view;
	char link[32], cwd[4096];

	if (v->synth && v->epoch == space->epoch)
		return NULL;
	v->epoch = space->epoch;
	v->nthreads = 0;
	v->announced = 0;
	view_forget_points(v);
	v->namespaces = 0;
	names_deinit(&v->c_names);
	struct err *err = names_add(&v->c_names, space);
	if (err || v->synth) {
		if (v->synth) {
			view_remove_libraries(v);
			synth_clear(v->synth);
		}
		return err;
	}
	snprintf(link, sizeof(link), "/proc/%d/cwd", (int)s->target->pid);
	ssize_t n = readlink(link, cwd, sizeof(cwd) - 1);
	cwd[n < 0 ? 0 : n] = '\0';
	const struct synth_options options = { .base = SYNTH_BASE,
					       .machine = s->target->arch->elf_machine,
					       .no_main = !has_main(space),
					       .is_taken = is_c_name,
					       .ctx = v,
					       .directory = n > 0 && cwd[0] == '/' ? cwd : NULL };
	return synth_create(&options, &v->synth);
}

/* The addresses that the view needs are mostly free: the kernel hands out higher ones. */
static bool is_free(const struct maps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		if (maps->map[i].start < VIEW_TEXTS_END && maps->map[i].end > SYNTH_BASE)
			return false;
	return true;
}

static struct err *walk(struct session *s, const struct space **space,
			const struct py_snapshot **ret)
{
	/* Whether there is Python at all is asked in a way that costs others little. */
	const struct py_walk look = { .in_passing = true, .max_frames = 1 };
	const struct py_walk all = { .max_frames = VIEW_FRAMES_MAX };
	struct err *err = target_space(s->target, space);

	if (!err && !is_free((*space)->maps))
		err = err_new(ERR_STATE, "the addresses for virtual threads are in use");
	if (!err)
		err = python_walk(s->python, *space, &look, ret);
	return err ? err : python_walk(s->python, *space, &all, ret);
}

static struct err *load(struct session *s)
{
	struct view *v = s->view;
	const struct py_snapshot *snap = NULL;
	const struct space *space;

	struct err *err = walk(s, &space, &snap);
	if (!err)
		err = begin_synth(s, space);
	if (!err)
		err = put_threads(s, space, snap);
	if (!err || !snap || !v->full || err->code != ERR_STATE)
		return err;
	/* What is not on any stack now makes room. */
	err_drop(err);
	forget_stop(v);
	v->loaded = v->stop;
	view_remove_libraries(v);
	synth_clear(v->synth);
	v->announced = 0;
	err = put_threads(s, space, snap);
	v->full = false;
	return err;
}

bool view_load(struct session *s)
{
	struct view *v = s->view;

	if (!view_is_on(s) || s->target->pid <= 0)
		return false;
	if (v->loaded == v->stop)
		return v->nthreads > 0;
	forget_stop(v);
	v->loaded = v->stop;
	struct err *err = load(s);
	if (err) {
		if (err->code != ERR_NOT_FOUND)
			session_log(s, DEBUG_GENERAL, "no virtual threads: %s", err->msg);
		err_drop(err);
		v->nthreads = v->nframes = 0;
	}
	return v->nthreads > 0;
}
