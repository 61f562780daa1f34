#include "src/server/tls.hpp"

#include <weft/errors.hpp>

#include <openssl/ssl.h>
#include <stdexcept>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace asio = boost::asio;

std::optional<asio::ssl::context> make_tls(server_options const& options)
{
    auto const wrong = [](std::string const& what) { throw misuse(misuse::code::wrong_call, "server_options::" + what); };
    if (options.certificate.empty())
    {
        if (!options.key.empty() || !options.client_ca.empty())
            wrong((options.key.empty() ? std::string("client_ca") : std::string("key")) + " is of no use without a certificate");
        return std::nullopt;
    }
    if (options.key.empty())
        wrong("key is empty, and the certificate needs one");
    std::optional<asio::ssl::context> tls(std::in_place, asio::ssl::context::tls_server);
    tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 | asio::ssl::context::no_sslv3 |
                     asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    // TLS 1.2 with forward secrecy, as 1.3 has it always: who gets hold of the key later reads nothing of what was said before.
    if (SSL_CTX_set_cipher_list(tls->native_handle(), "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        throw std::runtime_error("TLS: there are no ciphers");
    SSL_CTX_set_mode(tls->native_handle(), SSL_MODE_RELEASE_BUFFERS);
    auto const load = [&](char const* option, std::string const& file, auto how) {
        boost::system::error_code failed;
        how(file, failed);
        if (failed)
            wrong(std::string(option) + ": " + file + ": " + failed.message());
    };
    load("certificate", options.certificate, [&](auto const& file, auto& failed) { tls->use_certificate_chain_file(file, failed); });
    load("key", options.key, [&](auto const& file, auto& failed) { tls->use_private_key_file(file, asio::ssl::context::pem, failed); });
    if (SSL_CTX_check_private_key(tls->native_handle()) != 1)
        wrong("key: " + options.key + " does not belong to the certificate " + options.certificate);
    if (!options.client_ca.empty())
    {
        load("client_ca", options.client_ca, [&](auto const& file, auto& failed) { tls->load_verify_file(file, failed); });
        tls->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
        // What a client proved once counts for its next connection, and for no other server.
        static constexpr unsigned char name[] = "weft";
        SSL_CTX_set_session_id_context(tls->native_handle(), name, sizeof name - 1);
    }
    return tls;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
