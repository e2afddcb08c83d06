/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/fallback.h"

#define PUSH_LEN 1u /* push %rbp */
#define BOTH_LEN 4u /* and mov %rsp,%rbp */

void fallback_single(struct jit_table *t, uint32_t start, uint32_t end)
{
	struct jit_rule rule = jit_rule_entry(JIT_BY_DEFAULT);

	if (start >= end)
		return;
	jit_table_add(t, start, &rule);
	if (end - start <= PUSH_LEN)
		return;
	rule.cfa_off = 16;
	rule.at[0] = -16;
	jit_table_add(t, start + PUSH_LEN, &rule);
	if (end - start <= BOTH_LEN)
		return;
	rule = jit_rule_frame(JIT_BY_DEFAULT);
	jit_table_add(t, start + BOTH_LEN, &rule);
}

static int builds_frame(const uint8_t *p)
{
	return p[0] == 0x55 && p[1] == 0x48 &&
	       ((p[2] == 0x89 && p[3] == 0xe5) || (p[2] == 0x8b && p[3] == 0xec));
}

void fallback_each(struct jit_table *t, const uint8_t *code, uint32_t start, uint32_t end)
{
	uint32_t from = start;
	for (uint32_t at = start; at + BOTH_LEN <= end; at++) {
		if (at == from || !builds_frame(code + (at - start)))
			continue;
		fallback_single(t, from, at);
		from = at;
	}
	fallback_single(t, from, end);
}
