#include "api/tls_files.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

static int tell(char why[static TLS_FILES_WHY_MAX], const char *path, const char *text, int rc)
{
    (void)snprintf(why, TLS_FILES_WHY_MAX, "%.400s: %s", path, text); /* may be cut: for people */
    return rc;
}

static int check_readable(const char *path, char why[static TLS_FILES_WHY_MAX])
{
    if (access(path, R_OK) == 0)
        return OK;
    return tell(why, path, strerrordesc_np(errno), err_from_errno(errno));
}

static int check_mode(const char *key, char why[static TLS_FILES_WHY_MAX])
{
    struct stat st;

    if (stat(key, &st) < 0)
        return tell(why, key, strerrordesc_np(errno), err_from_errno(errno));
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return tell(why, key, "others can read or change the key; chmod 600", ERR_PERM);
    return OK;
}

static int end_of(gnutls_certificate_credentials_t cred, time_t *ret)
{
    gnutls_x509_crt_t *list = NULL;
    unsigned count = 0;
    int rc = gnutls_certificate_get_x509_crt(cred, 0, &list, &count);

    if (rc < 0)
        return rc;
    if (count > 0)
        *ret = gnutls_x509_crt_get_expiration_time(list[0]);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return count > 0 ? 0 : GNUTLS_E_NO_CERTIFICATE_FOUND;
}

int tls_files_check(const char *cert, const char *key, time_t *ret_ends,
                    char why[static TLS_FILES_WHY_MAX])
{
    gnutls_certificate_credentials_t cred = NULL;
    time_t ends = 0;
    int rc = check_readable(cert, why), error;

    if (rc == OK)
        rc = check_mode(key, why);
    if (rc == OK)
        rc = check_readable(key, why);
    if (rc != OK)
        return rc;
    error = gnutls_certificate_allocate_credentials(&cred);
    if (error < 0)
        return tell(why, cert, gnutls_strerror(error), ERR_NOMEM);
    error = gnutls_certificate_set_x509_key_file(cred, cert, key, GNUTLS_X509_FMT_PEM);
    if (error >= 0)
        error = end_of(cred, &ends);
    if (error == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        rc = tell(why, key, "not the key of the certificate", ERR_INVAL);
    else if (error < 0)
        rc = tell(why, cert, gnutls_strerror(error), ERR_INVAL);
    else
        *ret_ends = ends;
    gnutls_certificate_free_credentials(cred);
    return rc;
}
