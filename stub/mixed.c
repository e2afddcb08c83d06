/* SPDX-License-Identifier: MIT */
#include "stub/mixed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WORD	 8u
#define LINE_MIN 64u

void mixed_deinit(struct mixed *m)
{
	free(m->loops);
	free(m->chain);
	free(m->slots);
	*m = (struct mixed){ 0 };
}

void mixed_forget(struct mixed *m)
{
	m->nloops = m->nchain = 0;
	/* Half of them stay free, with those of the next stop. */
	if (m->nslots + MIXED_LOOPS_MAX <= MIXED_SLOTS / 4 * 3)
		return;
	memset(m->slots, 0, MIXED_SLOTS * sizeof(*m->slots));
	m->nslots = 0;
}

size_t mixed_length(const struct mixed_loop *l)
{
	return l->n + l->bridged;
}

uint64_t mixed_place(const struct mixed_loop *l, size_t i)
{
	return l->top - (l->n - i) * MIXED_STEP;
}

/* ---- places ---- */

static size_t slot_of(const struct mixed *m, uint64_t sp)
{
	size_t i = sp / 16 * 0x9e3779b97f4a7c15ull >> 48;

	while (m->slots[i] && m->slots[i] != sp)
		i = (i + 1) % MIXED_SLOTS;
	return i;
}

static struct err *take_slot(struct mixed *m, uint64_t sp, uint64_t *top)
{
	if (!m->slots)
		m->slots = calloc(MIXED_SLOTS, sizeof(*m->slots));
	if (!m->slots)
		return &err_nomem;
	size_t i = slot_of(m, sp);
	m->nslots += !m->slots[i];
	m->slots[i] = sp;
	*top = MIXED_FAR + (i + 1) * MIXED_SLOT - MIXED_STEP;
	return NULL;
}

/* The number of the first loop that does not return below @sp. */
static size_t first_from(const struct mixed *m, uint64_t sp)
{
	size_t low = 0, high = m->nloops;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (m->loops[mid].sp < sp)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct mixed_loop *mixed_find(const struct mixed *m, uint64_t sp)
{
	size_t i = first_from(m, sp);
	return i < m->nloops && m->loops[i].sp == sp ? &m->loops[i] : NULL;
}

const struct synth_descriptor *mixed_in_loop(const struct mixed_loop *l,
					     const struct synth_descriptor *chain, uint64_t sp)
{
	uint64_t first = mixed_place(l, 0), off = sp - first;

	if (sp == l->sp)
		return chain;
	if (sp < first || off % MIXED_STEP || off / MIXED_STEP >= mixed_length(l))
		return NULL;
	return &chain[off / MIXED_STEP];
}

const struct synth_descriptor *mixed_descriptor(const struct mixed *m, uint64_t sp)
{
	uint64_t at = sp;

	if (mixed_has_place(m, sp))
		at = m->slots[(sp - MIXED_FAR) / MIXED_SLOT];
	const struct mixed_loop *l = mixed_find(m, at);
	return l ? mixed_in_loop(l, &m->chain[l->first], sp) : NULL;
}

bool mixed_has_place(const struct mixed *m, uint64_t addr)
{
	return m->slots && addr >= MIXED_FAR && addr < MIXED_FAR_END &&
	       m->slots[(addr - MIXED_FAR) / MIXED_SLOT];
}

bool mixed_waits_at(const struct mixed *m, const struct mixed_loop *l, uint64_t pc)
{
	for (size_t k = 0; k < mixed_length(l); k++)
		if (m->chain[l->first + k].ra == pc)
			return true;
	return false;
}

/* ---- loops ---- */

static struct err *grow(void **array, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? *cap : 64;

	while (want < n)
		want *= 2;
	if (want == *cap)
		return NULL;
	void *more = reallocarray(*array, want, size);
	if (!more)
		return &err_nomem;
	*array = more;
	*cap = want;
	return NULL;
}

static struct err *make_room(struct mixed *m, size_t n)
{
	if (m->nloops >= MIXED_LOOPS_MAX || n > MIXED_LOOP_MAX ||
	    m->nchain + n + 1 > MIXED_FRAMES_MAX)
		return err_new(ERR_STATE, "there are too many Python frames");
	struct err *err =
		grow((void **)&m->chain, m->nchain + n + 1, &m->chain_cap, sizeof(*m->chain));
	return err ? err
		   : grow((void **)&m->loops, m->nloops + 1, &m->loops_cap, sizeof(*m->loops));
}

/* The descriptors of @l, for frames whose pcs and variables are in @frames. */
static void put_chain(struct mixed *m, const struct mixed_loop *l, const struct mixed_frame *frames,
		      uint64_t bridge)
{
	struct synth_descriptor *d = &m->chain[l->first];
	size_t length = mixed_length(l);

	for (size_t i = 0; i < length; i++)
		d[i] = (struct synth_descriptor){
			.locals = i < l->n ? frames[i].locals : 0,
			.cfa = mixed_place(l, i + 1),
			.ra = i + 1 < l->n ? frames[i + 1].pc : bridge,
		};
	d[length - 1].cfa = l->sp;
	d[length - 1].ra = l->ra;
}

/* The @n frames that the loop @c runs; @caller is where it returns to. */
static struct err *add_loop(struct mixed *m, const struct mixed_source *src,
			    const struct native_frame *c, const struct mixed_frame *frames,
			    size_t n)
{
	bool first = !m->nloops || m->loops[m->nloops - 1].tid != src->tid;
	struct mixed_loop l = { .tid = src->tid,
				.sp = c->cfa,
				.pc = frames[0].pc,
				.first = m->nchain,
				.n = n,
				.bridged = src->several || n > 1 || (src->innermost && first) };

	if (l.sp < MIXED_STACKS_LOW || l.sp >= MIXED_STACKS_HIGH || l.sp % WORD)
		return err_new(ERR_STATE, "0x%" PRIx64 " is no place for a stack", l.sp);
	struct err *err = mem_ptr(src->mem, l.sp - WORD, &l.ra);
	if (!err && l.ra != c[1].pc)
		err = err_new(ERR_STATE, "C's stack is not as it seemed at 0x%" PRIx64, l.sp);
	if (!err)
		err = make_room(m, n);
	if (!err)
		err = take_slot(m, l.sp, &l.top);
	if (err)
		return err;
	if (src->caller && first)
		*src->caller = c[1].regs;
	m->nchain += mixed_length(&l);
	m->loops[m->nloops++] = l;
	put_chain(m, &l, frames, src->bridge);
	return NULL;
}

/* An item that is not of Python, behind @n frames that are. */
static struct err *add_native(struct mixed *m, const struct mixed_source *src,
			      const struct py_mixed_item *item, const struct mixed_frame *frames,
			      size_t n)
{
	const struct native_stack *native = &src->stack->native;

	if (!n)
		return NULL;
	if (item->kind != PY_MIXED_NATIVE || item->loop < 0 || (size_t)item->loop != n ||
	    item->index + 1 >= native->n)
		return err_new(ERR_STATE, "the frames of C end before those of Python: %s",
			       native->cut ? native->cut : "no one runs them");
	return add_loop(m, src, &native->frames[item->index], frames, n);
}

static struct err *add_items(struct mixed *m, const struct mixed_source *src,
			     struct mixed_frame *frames)
{
	struct err *err = NULL;
	size_t n = 0;

	for (size_t i = 0; !err && i < src->stack->n; i++) {
		const struct py_mixed_item *item = &src->stack->items[i];
		if (item->kind != PY_MIXED_PYTHON) {
			err = add_native(m, src, item, frames, n);
			n = 0;
		} else if (!src->frame(src->ctx, item, &frames[n++])) {
			err = err_new(ERR_STATE, "a function is not in the library yet");
		}
	}
	return err || !n ? err : err_new(ERR_STATE, "no frame of C runs some of Python's");
}

static int by_sp(const void *a, const void *b)
{
	const struct mixed_loop *x = a, *y = b;
	return (x->sp > y->sp) - (x->sp < y->sp);
}

/* A thread's loops mostly come in order, and threads' stacks mostly do not. */
static struct err *sort(struct mixed *m, size_t from)
{
	bool sorted = true;

	for (size_t i = from ? from : 1; i < m->nloops; i++)
		sorted = sorted && m->loops[i - 1].sp < m->loops[i].sp;
	if (sorted)
		return NULL;
	qsort(m->loops, m->nloops, sizeof(*m->loops), by_sp);
	for (size_t i = 1; i < m->nloops; i++)
		if (m->loops[i - 1].sp == m->loops[i].sp)
			return err_new(ERR_STATE, "two loops are one frame of C");
	return NULL;
}

/* Takes away what was added of a thread: it may be among others by now. */
static void drop(struct mixed *m, pid_t tid, size_t nchain)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nloops; i++)
		if (m->loops[i].tid != tid)
			m->loops[n++] = m->loops[i];
	m->nloops = n;
	m->nchain = nchain;
}

struct err *mixed_add(struct mixed *m, const struct mixed_source *src)
{
	size_t nloops = m->nloops, nchain = m->nchain;

	if (src->stack->apart || src->stack->mismatch)
		return err_new(ERR_STATE, "%s",
			       src->stack->mismatch ? src->stack->mismatch : "they do not fit");
	struct mixed_frame *frames = calloc(src->stack->n + 1, sizeof(*frames));
	if (!frames)
		return &err_nomem;
	struct err *err = add_items(m, src, frames);
	if (!err)
		err = sort(m, nloops);
	if (err)
		drop(m, src->tid, nchain);
	free(frames);
	return err;
}

/* ---- memory ---- */

bool mixed_is_line(uint64_t addr, size_t len)
{
	return len >= LINE_MIN && len <= MIXED_LINE_MAX && !(len & (len - 1)) && addr % len == 0;
}

/* The first loop of which a byte of the return address lies at @addr or above. */
static size_t first_word(const struct mixed *m, uint64_t addr)
{
	return first_from(m, addr + 1);
}

size_t mixed_patch(const struct mixed *m, uint64_t addr, uint8_t *buf, size_t len)
{
	size_t words = 0;

	for (size_t i = first_word(m, addr); i < m->nloops; i++, words++) {
		const struct mixed_loop *l = &m->loops[i];
		uint8_t word[WORD];
		if (l->sp - WORD >= addr && l->sp - WORD - addr >= len)
			break;
		memcpy(word, &l->pc, sizeof(word));
		for (size_t k = 0; k < sizeof(word); k++)
			if (l->sp - WORD + k - addr < len)
				buf[l->sp - WORD + k - addr] = word[k];
	}
	return words;
}

bool mixed_translate(const struct mixed *m, uint64_t addr, uint8_t *bytes, size_t len,
		     uint64_t *part)
{
	bool changes = false;

	*part = 0;
	for (size_t i = first_word(m, addr); i < m->nloops; i++) {
		const struct mixed_loop *l = &m->loops[i];
		uint64_t word = l->sp - WORD, value;
		if (word >= addr && word - addr >= len)
			break;
		if (word < addr || len - (word - addr) < WORD) {
			*part = word;
			changes = true;
			continue;
		}
		memcpy(&value, bytes + (word - addr), sizeof(value));
		changes |= value != l->pc && value != l->ra;
		if (value == l->pc)
			memcpy(bytes + (word - addr), &l->ra, sizeof(l->ra));
	}
	return changes;
}
