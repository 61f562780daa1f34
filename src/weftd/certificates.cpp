#include "src/weftd/certificates.hpp"

#include "src/server/tls.hpp"

#include <weft/errors.hpp>

namespace weftd {

void check_certificates(loaded_configuration const& all)
{
    weft::server_options options;
    options.certificate = all.values.certificate;
    options.key = all.values.certificate_key;
    options.client_ca = all.values.client_ca;
    try
    {
        weft::server_detail::make_tls(options);
    }
    catch (weft::misuse const& e)
    {
        // It names the options of a program; whoever wrote a conf.yml looks for a key.
        constexpr std::pair<std::string_view, std::string_view> keys[] = {
            {"certificate", "Weft.Certificate"}, {"key", "Weft.Key"}, {"client_ca", "Weft.ClientCA"}};
        std::string const what = e.what();
        for (auto const& [option, key] : keys)
            if (auto const prefix = "server_options::" + std::string(option) + ": "; what.starts_with(prefix))
            {
                auto const place = all.origins.find(key);
                throw bad_configuration({(place == all.origins.end() ? "default" : place->second) + ": " + std::string(key) + ": " +
                                         what.substr(prefix.size())});
            }
        throw;
    }
}

}  // namespace weftd
