/* SPDX-License-Identifier: MIT */
#include "arch/arch.h"

#include <stdlib.h>
#include <string.h>

struct err *arch_create(const struct arch *base, uint16_t nregs, struct arch **ret)
{
	struct arch *a = malloc(sizeof(*a));
	struct reg *rows = calloc(nregs, sizeof(*rows));
	if (!a || !rows) {
		free(a);
		free(rows);
		return &err_nomem;
	}
	memcpy(a, base, sizeof(*a));
	a->regs = a->owned = rows;
	a->nregs = nregs;
	*ret = a;
	return NULL;
}

void arch_free(struct arch *a)
{
	if (a && a->owned) {
		free(a->owned);
		free(a);
	}
}

void arch_reg_get(const struct reg *r, const void *regset, void *ret)
{
	memset(ret, 0, r->bits / 8u);
	if (r->get)
		r->get(r, regset, ret);
	else
		memcpy(ret, (const uint8_t *)regset + r->offset, r->size);
}

void arch_reg_put(const struct reg *r, void *regset, const void *value)
{
	if (r->put)
		r->put(r, regset, value);
	else
		memcpy((uint8_t *)regset + r->offset, value, r->size);
}
