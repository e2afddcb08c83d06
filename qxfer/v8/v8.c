/* SPDX-License-Identifier: MIT */
#include "qxfer/v8/v8.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/jit.h"
#include "qxfer/v8/frames.h"
#include "qxfer/v8/sizes.h"

#define REG_ROOT    13u	 /* r13: V8's code has the isolate there */
#define ROOT_BIAS   128u /* so far into it (kRootRegisterBias, src/codegen/x64) */
#define FRAME_WORDS 16u	 /* a frame's fp is so far below its CFA */
#define PREFIX	    "Builtins_"

struct v8 {
	struct native *native;
	struct jit *jit;
	/* What was found, and for which mappings there was nothing. */
	struct v8_layout layout;
	bool found;
	uint64_t epoch, looked_at;
	struct v8_bytecode_sizes sizes;
	bool sizes_searched;
	/* Of one stop. */
	const struct space *space;
	struct arena arena;
	struct v8_reader reader;
	struct v8_thread *thread;
	size_t nthreads, threads_cap;
	struct native_frame *copy;
	size_t ncopy, copy_cap;
	struct v8_snapshot snapshot;
	uint64_t generation;
	struct v8_walk walked;
	bool walked_any;
};

static const char *const kinds[V8_KINDS] = {
	"interpreted", "baseline", "maglev", "turbofan", "builtin",
};

const char *v8_kind_name(enum v8_kind kind)
{
	return kinds[kind];
}

struct err *v8_create(struct v8 **ret)
{
	struct v8 *v = calloc(1, sizeof(*v));
	if (!v)
		return &err_nomem;
	struct err *err = native_create(&v->native);
	if (err) {
		free(v);
		return err;
	}
	*ret = v;
	return NULL;
}

void v8_destroy(struct v8 *v)
{
	if (!v)
		return;
	native_destroy(v->native);
	v8_reader_deinit(&v->reader);
	arena_deinit(&v->arena);
	free(v->thread);
	free(v->copy);
	free(v);
}

void v8_set_jit(struct v8 *v, struct jit *jit)
{
	v->jit = jit;
	native_set_jit(v->native, jit);
}

/* ---- is there V8? ---- */

/* Changes when a file is mapped. */
static uint64_t files_of(const struct maps *maps)
{
	uint64_t h = 1;
	for (size_t i = 0; i < maps->n; i++)
		if (maps->map[i].inode && !maps->map[i].offset)
			h = (h ^ maps->map[i].start ^ maps->map[i].inode) * 0x9e3779b97f4a7c15ull;
	return h;
}

static struct err *find(struct v8 *v, const struct space *s)
{
	if (v->epoch != s->epoch) {
		v->epoch = s->epoch;
		v->found = v->sizes_searched = v->walked_any = false;
		v->looked_at = 0;
		v->sizes.n = 0;
	}
	if (v->found)
		return NULL;
	uint64_t files = files_of(s->maps);
	if (files == v->looked_at)
		return err_new(ERR_NOT_FOUND, "no V8 in this process");
	struct err *err = v8_layout_find(s, &v->layout);
	v->looked_at = files;
	v->found = !err;
	return err;
}

static void find_sizes(void *arg)
{
	struct v8 *v = arg;
	if (!v->sizes_searched)
		v8_sizes_find(v->space, &v->sizes);
	v->sizes_searched = true;
}

/* ---- one thread ---- */

static const char *builtin_name(const struct native_frame *f)
{
	size_t n = strlen(PREFIX);
	if (!f->symbol)
		return NULL;
	return strncmp(f->symbol, PREFIX, n) == 0 ? f->symbol + n : f->symbol;
}

static bool has_reg(const struct native_frame *f, unsigned int reg)
{
	return f->regs.known & 1u << reg;
}

static void read_frame(struct v8 *v, const struct native_stack *stack, size_t i)
{
	const struct native_frame *f = &stack->frames[i];
	struct v8_site site = { .pc = f->pc,
				.fp = f->regs.value[SPACE_REG_FP],
				.start = f->start,
				.exact = f->exact,
				.native = i };

	site.built = has_reg(f, SPACE_REG_FP) && f->cfa == site.fp + FRAME_WORDS;
	if (i == 1 && f[-1].exact && f[-1].made == JIT_V8_BUILTINS) {
		site.handler = &f[-1].regs;
		site.handler_start = f[-1].start;
	}
	if (f->made == JIT_V8_BUILTINS) {
		site.builtin = builtin_name(f);
		v8_read_builtin(&v->reader, &site);
	} else if (f->made == JIT_V8_CODE) {
		v8_read_code(&v->reader, &site);
	}
}

static bool is_of_v8(const struct native_frame *f)
{
	return f->made == JIT_V8_BUILTINS || f->made == JIT_V8_CODE;
}

static bool copy_native(struct v8 *v, struct v8_thread *t, const struct native_stack *stack)
{
	size_t n = v->ncopy + stack->n;
	if (n > v->copy_cap) {
		size_t cap = n > v->copy_cap * 2 ? n : v->copy_cap * 2;
		struct native_frame *more = reallocarray(v->copy, cap, sizeof(*more));
		if (!more)
			return false;
		v->copy = more;
		v->copy_cap = cap;
	}
	if (stack->n)
		memcpy(v->copy + v->ncopy, stack->frames, stack->n * sizeof(*stack->frames));
	t->first_native = v->ncopy;
	t->nnative = stack->n;
	v->ncopy = n;
	return true;
}

static struct v8_thread *add_thread(struct v8 *v, pid_t tid)
{
	if (v->nthreads == v->threads_cap) {
		size_t cap = v->threads_cap ? v->threads_cap * 2 : 32;
		struct v8_thread *more = reallocarray(v->thread, cap, sizeof(*more));
		if (!more)
			return NULL;
		v->thread = more;
		v->threads_cap = cap;
	}
	struct v8_thread *t = &v->thread[v->nthreads++];
	*t = (struct v8_thread){ .tid = tid, .first_frame = v->reader.n };
	return t;
}

static void read_frames(struct v8 *v, struct v8_thread *t, const struct native_stack *stack)
{
	size_t room = V8_ALL_FRAMES_MAX - v->reader.n;
	v->reader.limit = v->reader.n + (room < V8_FRAMES_MAX ? room : V8_FRAMES_MAX);
	v->reader.full = false;
	for (size_t i = 0; i < stack->n && !v->reader.full; i++) {
		const struct native_frame *f = &stack->frames[i];
		size_t before = v->reader.n;
		read_frame(v, stack, i);
		if (!t->isolate && v->reader.n > before && has_reg(f, REG_ROOT))
			t->isolate = f->regs.value[REG_ROOT] - ROOT_BIAS;
	}
	t->nframes = v->reader.n - t->first_frame;
	if (v->reader.full)
		t->corrupt = "more frames than are served";
}

static struct err *read_thread(struct v8 *v, pid_t tid, const struct v8_walk *walk)
{
	struct native_stack stack;
	bool any = walk->native;

	struct err *err = native_walk(v->native, v->space, tid, &stack);
	for (size_t i = 0; !err && i < stack.n; i++)
		any = any || is_of_v8(&stack.frames[i]);
	if (err || !any)
		return err;
	struct v8_thread *t = add_thread(v, tid);
	if (!t)
		return &err_nomem;
	read_frames(v, t, &stack);
	if (stack.cut) {
		t->cut = arena_strdup(&v->arena, stack.cut, strlen(stack.cut));
		v->reader.failed = v->reader.failed || !t->cut;
	}
	if (walk->native && !copy_native(v, t, &stack))
		return &err_nomem;
	return v->reader.failed || v->reader.scripts.failed ? &err_nomem : NULL;
}

/* ---- all ---- */

static bool is_walked(const struct v8 *v, const struct space *s, const struct v8_walk *walk)
{
	return v->walked_any && v->space == s && v->generation == s->mem->generation &&
	       (!v->walked.tid || v->walked.tid == walk->tid) &&
	       (v->walked.native || !walk->native) && v->walked.native == walk->native &&
	       v->walked.tid == walk->tid;
}

static void begin(struct v8 *v, const struct space *s)
{
	v8_reader_reset(&v->reader);
	arena_reset(&v->arena);
	v->space = s;
	v->nthreads = v->ncopy = 0;
	v->walked_any = false;
	v->reader.space = s;
	v->reader.sizes = &v->sizes;
	v->reader.find_sizes = find_sizes;
	v->reader.arg = v;
	v->reader.scripts.heap = (struct v8_heap){ .mem = s->mem, .layout = &v->layout };
	v->reader.scripts.arena = &v->arena;
}

struct err *v8_walk(struct v8 *v, const struct space *s, const struct v8_walk *walk,
		    const struct v8_snapshot **ret)
{
	if (s->tries)
		return err_new(ERR_STATE, "JavaScript frames need a process that stands still");
	struct err *err = find(v, s);
	if (err)
		return err;
	*ret = &v->snapshot;
	if (is_walked(v, s, walk))
		return NULL;
	begin(v, s);
	for (size_t i = 0; i < s->nthreads && !err; i++)
		if (!walk->tid || walk->tid == s->threads[i].tid)
			err = read_thread(v, s->threads[i].tid, walk);
	if (err)
		return err;
	v->snapshot = (struct v8_snapshot){
		.version = v->layout.version,
		.verified = v->layout.verified,
		.threads = v->thread,
		.nthreads = v->nthreads,
		.frames = v->reader.frame,
		.nframes = v->reader.n,
		.native = v->copy,
		.nnative = v->ncopy,
	};
	v->walked = *walk;
	v->generation = s->mem->generation;
	v->walked_any = true;
	return NULL;
}
