/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/template.h"

#include <stdlib.h>

#include "longship/base/check.h"
#include "template_priv.h"

/*
 * What a template may call. Refused are the functions whose result would differ when a range is read again, and those that
 * let a configuration's template reach for secrets, keys or the network.
 */

static const char random_reason[] = "its result is random, so a line that is read again would become another one";
static const char key_reason[] = "it makes keys or passwords, which do not belong into log lines";
static const char environment_reason[] = "templates do not read the environment; use sys.env in the configuration";

const struct tfunction template_refused_functions[] = {
	{"randAlphaNum", "", NULL, random_reason},
	{"randAlpha", "", NULL, random_reason},
	{"randAscii", "", NULL, random_reason},
	{"randNumeric", "", NULL, random_reason},
	{"randInt", "", NULL, random_reason},
	{"randBytes", "", NULL, random_reason},
	{"uuidv4", "", NULL, random_reason},
	{"shuffle", "", NULL, random_reason},
	{"bcrypt", "", NULL, key_reason},
	{"htpasswd", "", NULL, key_reason},
	{"genPrivateKey", "", NULL, key_reason},
	{"derivePassword", "", NULL, key_reason},
	{"buildCustomCert", "", NULL, key_reason},
	{"genCA", "", NULL, key_reason},
	{"genCAWithKey", "", NULL, key_reason},
	{"genSelfSignedCert", "", NULL, key_reason},
	{"genSelfSignedCertWithKey", "", NULL, key_reason},
	{"genSignedCert", "", NULL, key_reason},
	{"genSignedCertWithKey", "", NULL, key_reason},
	{"encryptAES", "", NULL, random_reason},
	{"decryptAES", "", NULL, key_reason},
	{"env", "", NULL, environment_reason},
	{"expandenv", "", NULL, environment_reason},
	{"semver", "", NULL, "versions are not compared here"},
	{"semverCompare", "", NULL, "versions are not compared here"},
	{"getHostByName", "", NULL, "templates do not use the network"},
	{NULL, NULL, NULL, NULL},
};

static const struct tfunction *const tables[] = {
	template_go_functions,
	template_text_functions,
	template_list_functions,
	template_math_functions,
	template_time_functions,
	template_code_functions,
	template_json_functions,
	template_case_functions,
	template_url_functions,
	template_refused_functions,
};

const struct tfunction *
template_function_find(struct str name)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (const struct tfunction *f = tables[t]; f->name != NULL; f++) {
			if (str_is(name, f->name))
				return f;
		}
	}
	return NULL;
}
