/* SPDX-License-Identifier: MIT */
/*
 * record [-l | -n | -k | -t] PID [EXPRESSION...]: walks the Python stacks of a process,
 * with -l their variables too, with -n the C frames and registers, but not the names of C
 * functions, with -k who holds which locks, with -t asyncio's tasks, prints the
 * expressions in the innermost frame of its first thread, and writes what was read, in
 * the format of recorded.h, on standard output.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "qxfer/python/state.h"
#include "tests/walk/proc_space.h"

#define GRAIN 8u  /* bytes */
#define LINE  64u /* of memory around what was read is kept, so that a later walker */
#define MORE  96u /* may read a little further; and so much more behind a structure */

#define SYMBOLS 8192u /* bytes read at once: tables of symbols, too long to keep */

struct piece {
	uint64_t addr; /* a multiple of GRAIN */
	uint8_t data[GRAIN];
};

struct recorder {
	struct mem *below;
	bool natives;
	struct piece *piece;
	size_t n, cap;
};

static void add_piece(struct recorder *r, uint64_t addr)
{
	uint8_t data[GRAIN];
	if (mem_read_some(r->below, addr, data, GRAIN) != GRAIN)
		return;
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 1024;
		r->piece = reallocarray(r->piece, r->cap, sizeof(*r->piece));
		if (!r->piece)
			abort();
	}
	r->piece[r->n].addr = addr;
	memcpy(r->piece[r->n++].data, data, GRAIN);
}

static size_t recording_read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct recorder *r = ctx;
	size_t n = mem_read_some(r->below, addr, buf, len);
	bool structure = len >= 64 && len <= 512;
	if (r->natives && len > SYMBOLS)
		return n;
	uint64_t end = (addr + n + (structure ? MORE : 0) + LINE - 1) & ~(uint64_t)(LINE - 1);
	for (uint64_t at = addr & ~(uint64_t)(LINE - 1); n && at < end; at += GRAIN)
		add_piece(r, at);
	return n;
}

static const struct mem_ops recording_ops = { .read = recording_read };

static int by_addr(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* What is being written: zeros not yet told of, or bytes on the current line. */
struct line {
	unsigned int zeros, bytes;
};

static void end_line(struct line *l)
{
	if (l->zeros)
		printf("zero %u\n", l->zeros);
	if (l->bytes)
		printf("\n");
	*l = (struct line){ 0 };
}

static void put_piece(struct line *l, const uint8_t data[GRAIN])
{
	static const uint8_t zeros[GRAIN];
	bool zero = memcmp(data, zeros, GRAIN) == 0;
	if (l->bytes == 48 || (zero ? l->bytes != 0 : l->zeros != 0))
		end_line(l);
	if (zero) {
		l->zeros += GRAIN;
		return;
	}
	for (size_t i = 0; i < GRAIN; i++)
		printf("%02x", data[i]);
	l->bytes += GRAIN;
}

static void put_pieces(struct recorder *r)
{
	struct line line = { 0 };
	uint64_t next = 1;
	qsort(r->piece, r->n, sizeof(*r->piece), by_addr);
	for (size_t i = 0; i < r->n; i++) {
		const struct piece *p = &r->piece[i];
		if (i && p->addr == p[-1].addr)
			continue;
		if (p->addr != next) {
			end_line(&line);
			printf("at %" PRIx64 "\n", p->addr);
		}
		next = p->addr + GRAIN;
		put_piece(&line, p->data);
	}
	end_line(&line);
}

static bool was_read(const struct recorder *r, const struct map *m)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->piece[i].addr >= m->start && r->piece[i].addr < m->end)
			return true;
	return false;
}

static void put_space(const struct recorder *r, const struct space *s)
{
	for (size_t i = 0; i < s->maps->n; i++) {
		const struct map *m = &s->maps->map[i];
		if (was_read(r, m) || (r->natives && m->prot & MAP_X))
			printf("map %" PRIx64 "-%" PRIx64 " %c%c%c%c %08" PRIx64 " 00:00 %" PRIu64
			       " %s\n",
			       m->start, m->end, m->prot & MAP_R ? 'r' : '-',
			       m->prot & MAP_W ? 'w' : '-', m->prot & MAP_X ? 'x' : '-',
			       m->prot & MAP_SHARED_MEM ? 's' : 'p', m->offset, m->inode, m->path);
	}
	for (size_t i = 0; i < s->nthreads; i++) {
		struct space_regs regs;
		printf("thread %d %" PRIx64 "\n", (int)s->threads[i].tid, s->threads[i].tp);
		if (!r->natives || !s->dwarf_regs(s->ctx, s->threads[i].tid, &regs))
			continue;
		printf("regs %d", (int)s->threads[i].tid);
		for (unsigned int k = 0; k < SPACE_REGS; k++)
			printf(" %" PRIx64, regs.value[k]);
		printf("\n");
	}
}

/* 3.11 and 3.12: every _PyCFrame, which a walk reads only where a stop is unlucky. */
static void touch_cframes(const struct python *py, struct mem *m)
{
	const struct py_offsets *off = &py->rt.off;
	for (size_t i = 0; off->cframe.previous != PY_NONE && i < py->snap.nthreads; i++) {
		uint64_t at = py->snap.threads[i].c_stack;
		for (int n = 0; at && n < 100; n++) {
			struct err *err = mem_ptr(m, at + off->cframe.previous, &at);
			err_drop(err);
			if (err)
				break;
		}
	}
}

/* What stands for code in the frames of the evaluation loop, read for the same reason. */
static void touch_shims(struct python *py, struct mem *m)
{
	const struct py_offsets *off = &py->rt.off;
	for (size_t i = 0; i < py->snap.nframes; i++) {
		uint64_t at = py->snap.frames[i].addr;
		struct py_code *code;
		struct err *err =
			py->snap.frames[i].entry ? mem_ptr(m, at + off->frame.previous, &at) : NULL;
		if (!err && at)
			err = mem_ptr(m, at + off->frame.code, &at);
		if (!err && at)
			err = py_codes_get(&py->codes, m, off, at & ~(uint64_t)off->code_tag,
					   &code);
		err_drop(err);
	}
}

static void put_syscalls(const struct space *s)
{
	for (size_t i = 0; i < s->nthreads; i++) {
		struct space_syscall c;
		if (!s->thread_syscall(s->ctx, s->threads[i].tid, &c))
			continue;
		printf("syscall %d %" PRId64, (int)s->threads[i].tid, c.nr);
		for (size_t k = 0; k < 6; k++)
			printf(" %" PRIx64, c.arg[k]);
		printf("\n");
	}
}

/* Whatever comes of it, what was read for it is kept. */
static void ask(struct python *py, const struct space *s, char *const *expressions,
		struct buf *text)
{
	const struct python_view view = { .py = py, .space = s, .tid = s->threads[0].tid };
	for (; *expressions; expressions++) {
		struct err *err = python_print_text(&view, *expressions, text);
		fprintf(stderr, "%s: %s\n", *expressions, err ? err->msg : "found");
		err_drop(err);
	}
}

static struct err *record(struct proc_space *p, char what, char *const *expressions)
{
	bool natives = what == 'n';
	struct recorder r = { .below = &p->mem, .natives = natives };
	struct mem recording;
	struct space space = p->space;
	struct python *py = NULL;
	struct buf text = { 0 };

	struct err *err = mem_init(&recording, &recording_ops, &r, 8);
	mem_deinit(&recording); /* no page cache: it would read more than is asked for */
	space.mem = &recording;
	if (!err)
		err = python_create(&py);
	if (!err)
		err = python_stacks_text(py, &space, PYTHON_FULL, NULL, &text);
	if (!err && what == 'l')
		err = python_frames_document(py, &space, ";locals", &text);
	if (!err && what == 't')
		err = python_tasks_document(py, &space, "", &text);
	if (!err && what == 'k')
		err = python_locks_text(py, &space, &text);
	if (!err)
		ask(py, &space, expressions, &text);
	space.open_map = natives ? NULL : space.open_map;
	space.open_path = NULL;
	if (!err && natives)
		err = python_frames_document(py, &space, ";native", &text);
	if (!err) {
		touch_cframes(py, &recording);
		touch_shims(py, &recording);
		printf("# Recorded by tests/mem/record.c; see docs/adding-a-python-version.md.\n");
		put_space(&r, &space);
		if (what == 'k')
			put_syscalls(&space);
		put_pieces(&r);
	}
	python_destroy(py);
	buf_deinit(&text);
	free(r.piece);
	return err;
}

int main(int argc, char **argv)
{
	static struct proc_space p;
	char what = argc > 2 && argv[1][0] == '-' ? argv[1][1] : '\0';
	int at = what ? 2 : 1;
	if (argc < at + 1 || !proc_space_open(&p, (pid_t)strtol(argv[at], NULL, 10)))
		return 2;
	struct err *err = proc_space_stop(&p) ? record(&p, what, argv + at + 1)
					      : err_new(ERR_STATE, "cannot stop it");
	if (err) {
		fprintf(stderr, "%s\n", err->msg);
		err_drop(err);
	}
	proc_space_close(&p);
	return err != NULL;
}
