/* SPDX-License-Identifier: MIT */
/* The architectures whose cores are read, and which registers a core has. */
#include <elf.h>

#include "arch/aarch64.h"
#include "arch/x86_xsave.h"
#include "stub/target/core_priv.h"

/* The note of Linux 6.12: rows of type, size, offset and flags, 32 bits each. */
static bool noted_layout(const struct core *c, struct xsave_layout *ret)
{
	uint32_t row[4];

	for (uint32_t at = 0; at + sizeof(row) <= c->xsave_at.size; at += sizeof(row)) {
		if (core_file_read_some(&c->file, c->xsave_at.offset + at, row, sizeof(row)) !=
		    sizeof(row))
			return false;
		if (row[0] >= XSAVE_AVX && row[0] < XSAVE_COMPONENTS && row[2] >= XSAVE_MIN &&
		    row[2] < REGSET_MAX)
			ret->offset[row[0]] = row[2];
	}
	return c->xsave_at.size >= sizeof(row);
}

/* What the CPU had that made the core; false: there is no such note. */
static bool find_layout(const struct core *c, struct xsave_layout *ret)
{
	const struct core_place *at = &c->thread[0].set[X86_XSTATE];
	uint8_t head[XSAVE_MIN];

	*ret = (struct xsave_layout){ 0 };
	if (core_file_read_some(&c->file, at->offset, head,
				at->size < sizeof(head) ? 0 : sizeof(head)) != sizeof(head))
		return false;
	uint64_t xcr0 = xsave_xcr0(head, sizeof(head));
	if (!noted_layout(c, ret))
		xsave_layout_guess(xcr0, at->size, ret);
	ret->xcr0 = xcr0;
	for (unsigned int i = XSAVE_AVX; i < XSAVE_COMPONENTS; i++)
		if (!ret->offset[i])
			ret->xcr0 &= ~(UINT64_C(1) << i);
	xsave_layout_restrict(ret, ret->xcr0);
	return true;
}

static struct err *select_x86_64(struct core *c)
{
	struct xsave_layout layout;
	return arch_x86_64_select(find_layout(c, &layout) ? &layout : NULL, &c->made_arch);
}

static struct err *select_i386(struct core *c)
{
	struct xsave_layout layout;
	return arch_i386_select(find_layout(c, &layout) ? &layout : NULL, &c->made_arch);
}

static struct err *select_aarch64(struct core *c)
{
	uint32_t sizes[A64_SETS];
	for (size_t i = 0; i < A64_SETS; i++)
		sizes[i] = c->thread[0].set[i].size;
	return arch_aarch64_select(sizes, &c->made_arch);
}

static const struct core_machine machines[] = {
	{ &arch_x86_64, 8, 32, 112, 24, select_x86_64 },
	{ &arch_i386, 4, 24, 72, 12, select_i386 },
	{ &arch_aarch64, 8, 32, 112, 24, select_aarch64 },
};

const struct core_machine *core_find_machine(uint16_t elf_machine, uint8_t word)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].arch->elf_machine == elf_machine && machines[i].word == word)
			return &machines[i];
	return NULL;
}
