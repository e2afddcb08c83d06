/* SPDX-License-Identifier: MIT */
/* Registers. */
#include "stub/handlers.h"
#include "stub/session.h"

HANDLER(h_read_regs)
{
	struct session *s = session;
	const struct arch *a = s->target->arch;
	(void)args;

	for (uint16_t i = 0; i < a->nregs; i++) {
		uint8_t value[REG_MAX];
		size_t len = a->regs[i].bits / 8u;
		struct err *err = target_reg_get(s->target, s->g_tid, i, value);
		if (err_catch(&err, ERR_NOT_FOUND)) {
			while (len--)
				buf_puts(out, "xx");
			continue;
		}
		if (err)
			return err;
		buf_put_hex(out, value, len);
	}
	return NULL;
}

HANDLER(h_write_regs)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_write_regs");
}

HANDLER(h_read_reg)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_read_reg");
}

HANDLER(h_write_reg)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_write_reg");
}
