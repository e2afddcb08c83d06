/* SPDX-License-Identifier: MIT */
/*
 * What a core's notes say: its threads, their registers, and the process.
 *
 * A thread begins with NT_PRSTATUS; what follows up to the next one is its own.  Of
 * all this only the places are kept.  Layouts: Linux, include/uapi/linux/elfcore.h and
 * fs/binfmt_elf.c.
 */
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stub/target/core_priv.h"

enum { PR_CURSIG_AT = 12, PR_HEAD_MAX = 64 }; /* in struct elf_prstatus */

static struct err *bad(const struct core_note *n, const char *what)
{
	return err_new(ERR_BAD_DATA, "the note with contents at offset 0x%" PRIx64 " %s", n->offset,
		       what);
}

/* ---- threads ---- */

static struct err *add_thread(struct core *c, const struct core_note *n)
{
	const struct core_machine *m = c->machine;
	uint32_t regs_size = m->arch->regsets[0].size;
	uint8_t head[PR_HEAD_MAX];
	int16_t signo;

	if (n->size < m->regs_at + regs_size)
		return bad(n, "is too short for a thread's registers");
	if (c->nthreads == CORE_THREADS_MAX)
		return bad(n, "is of one thread too many");
	if (c->nthreads == c->thread_room) {
		size_t room = c->thread_room ? c->thread_room * 2 : 16;
		struct core_thread *fresh = reallocarray(c->thread, room, sizeof(*fresh));
		if (!fresh)
			return &err_nomem;
		c->thread = fresh;
		c->thread_room = room;
	}
	struct err *err = core_file_read(&c->file, "a thread", n->offset, head, sizeof(head));
	if (err)
		return err;
	struct core_thread *t = &c->thread[c->nthreads];
	*t = (struct core_thread){ .set[0] = { n->offset + m->regs_at, regs_size } };
	memcpy(&t->tid, head + m->pid_at, 4);
	memcpy(&signo, head + PR_CURSIG_AT, sizeof(signo));
	t->signo = signo > 0 && signo <= 64 ? signo : 0;
	if (t->tid <= 0)
		return bad(n, "has a thread id below 1");
	c->nthreads++;
	return NULL;
}

/* Where a note belongs: to a thread, or to the process. */
static struct core_place *place_of(struct core *c, uint32_t type)
{
	struct core_thread *t = c->nthreads ? &c->thread[c->nthreads - 1] : NULL;

	for (uint8_t i = 1; t && i < c->machine->arch->nregsets; i++)
		if (c->machine->arch->regsets[i].nt_type == type)
			return &t->set[i];
	switch (type) {
	case NT_SIGINFO:
		return t ? &t->siginfo : NULL;
	case NT_PRPSINFO:
		return &c->prpsinfo;
	case NT_AUXV:
		return &c->auxv_at;
	case NT_FILE:
		return &c->nt_file_at;
	case CORE_XSAVE_LAYOUT:
		return &c->xsave_at;
	default:
		return NULL;
	}
}

static struct err *take_note(void *arg, const struct core_note *n)
{
	struct core *c = arg;

	/* Others, "GNU" among them, number their own types. */
	if (strcmp(n->name, "CORE") != 0 && strcmp(n->name, "LINUX") != 0)
		return NULL;
	if (n->type == NT_PRSTATUS)
		return add_thread(c, n);
	struct core_place *place = place_of(c, n->type);
	if (place && !place->size)
		*place = (struct core_place){ n->offset, n->size };
	return NULL;
}

struct err *core_index_notes(struct core *c, const struct core_phdr *segment)
{
	return core_file_notes(&c->file, segment, take_note, c);
}

static int by_tid(const void *a, const void *b, void *arg)
{
	const struct core_thread *t = arg;
	pid_t x = t[*(const uint32_t *)a].tid, y = t[*(const uint32_t *)b].tid;
	return (x > y) - (x < y);
}

static struct err *sort_threads(struct core *c)
{
	if (!c->nthreads)
		return err_new(ERR_BAD_DATA, "it has no thread: no NT_PRSTATUS in its notes");
	c->by_tid = calloc(c->nthreads, sizeof(*c->by_tid));
	if (!c->by_tid)
		return &err_nomem;
	for (size_t i = 0; i < c->nthreads; i++)
		c->by_tid[i] = (uint32_t)i;
	qsort_r(c->by_tid, c->nthreads, sizeof(*c->by_tid), by_tid, c->thread);
	for (size_t i = 1; i < c->nthreads; i++) {
		const struct core_thread *t = &c->thread[c->by_tid[i]];
		if (t->tid == c->thread[c->by_tid[i - 1]].tid)
			return err_new(
				ERR_BAD_DATA,
				"two threads have id %d, one with registers at offset 0x%" PRIx64,
				t->tid, t->set[0].offset);
	}
	return NULL;
}

const struct core_thread *core_thread(const struct core *c, pid_t tid)
{
	size_t lo = 0, hi = c->nthreads;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->thread[c->by_tid[mid]].tid < tid)
			lo = mid + 1;
		else
			hi = mid;
	}
	const struct core_thread *t = lo < c->nthreads ? &c->thread[c->by_tid[lo]] : NULL;
	return t && t->tid == tid ? t : NULL;
}

/* ---- the process ---- */

static struct err *load(struct core *c, const char *what, struct core_place *at, uint32_t max,
			uint8_t **ret)
{
	if (!at->size)
		return NULL;
	if (at->size > max)
		return err_new(ERR_BAD_DATA,
			       "%s at offset 0x%" PRIx64 " has %u bytes, more than %u", what,
			       at->offset, at->size, max);
	*ret = malloc(at->size);
	if (!*ret)
		return &err_nomem;
	return core_file_read(&c->file, what, at->offset, *ret, at->size);
}

uint64_t core_word(const struct core *c, const uint8_t *bytes, size_t i)
{
	uint64_t v = 0;
	memcpy(&v, bytes + i * c->machine->word, c->machine->word);
	return v;
}

uint64_t core_auxv(const struct core *c, uint64_t type)
{
	for (size_t i = 0; (i + 2) * c->machine->word <= c->auxv_at.size; i += 2)
		if (core_word(c, c->auxv, i) == type)
			return core_word(c, c->auxv, i + 1);
	return 0;
}

/* The process's id; without one that of the thread that it was found by. */
static pid_t read_pid(struct core *c)
{
	int32_t pid = 0;

	if (c->prpsinfo.size >= c->machine->process_at + 4u)
		(void)core_file_read_some(&c->file, c->prpsinfo.offset + c->machine->process_at,
					  &pid, 4);
	return pid > 0 ? pid : c->thread[0].tid;
}

struct err *core_finish_notes(struct core *c)
{
	struct err *err = sort_threads(c);
	if (!err)
		err = load(c, "the auxiliary vector", &c->auxv_at, CORE_AUXV_MAX, &c->auxv);
	if (!err)
		err = load(c, "the list of mapped files", &c->nt_file_at, CORE_NT_FILE_MAX,
			   &c->nt_file);
	if (err)
		return err;
	c->target.pid = read_pid(c);
	c->target.found.tid = c->thread[0].tid;
	c->target.found.signo = c->thread[0].signo;
	return NULL;
}
