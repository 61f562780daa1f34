#include "src/weftd/rules.hpp"

#include "src/weftd/container.hpp"
#include "src/weftd/url_patterns.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/json/parse.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/url.hpp>

#include <algorithm>
#include <sstream>

namespace weftd {

namespace {

class rules
{
public:
    rules(loaded_configuration& all, surroundings const& world, std::vector<std::string>& problems)
        : all_(all)
        , values_(all.values)
        , world_(world)
        , problems_(problems)
    { }

    void check()
    {
        values_.in_container = !world_.environment("IS_DOCKER").value_or("").empty();
        times();
        store();
        log();
        tokens();
        trust();
        addresses();
    }

private:
    bool        given(std::string_view key) const { return all_.origins.contains(key); }
    std::string at(std::string_view key) const
    {
        auto const found = all_.origins.find(key);
        return (found == all_.origins.end() ? "default" : found->second) + ": " + std::string(key) + ": ";
    }
    void problem(std::string_view key, std::string const& what) { problems_.push_back(at(key) + what); }
    void warning(std::string_view key, std::string const& what) { all_.warnings.push_back(at(key) + what); }

    void times()
    {
        if (values_.timeout_to_fail < values_.retry_interval)
            problem(given("TimeoutToFail") ? "TimeoutToFail" : "RetryInterval",
                    "TimeoutToFail (" + std::to_string(values_.timeout_to_fail.count()) + ") is less than RetryInterval (" +
                        std::to_string(values_.retry_interval.count()) + ")");
        auto const barrier = values_.barrier_retention, retention = values_.retention;
        if (barrier.count() != 0 && (retention.count() == 0 || barrier < retention))
            problem("Weft.BarrierRetention", retention.count() == 0
                                                 ? "needs Weft.Retention"
                                                 : "is less than Weft.Retention (" + std::to_string(retention.count()) + ")");
    }

    void store()
    {
        constexpr std::string_view parts[] = {"Store.Driver", "Store.Path",     "Store.Host", "Store.Port",
                                              "Store.User",   "Store.Password", "Store.Db",   "Store.Schema"};
        if (!values_.store_url.empty())
        {
            for (auto const part : parts)
                if (given(part))
                    problem(part, "Store.Url says it already");
            if (values_.store_url.find("://") == std::string::npos)
                problem("Store.Url", "begins with sqlite://, postgres:// or mysql://");
            return;
        }
        if (values_.store_driver == "boltdb")
        {
            warning("Store.Driver", "boltdb is taken for sqlite: the file is " + values_.store_path + ", and a file of dtm's is not read");
            values_.store_driver = "sqlite";
        }
        bool const file = values_.store_driver == "sqlite";
        if (file && values_.store_path.empty())
            problem("Store.Path", "is empty, and sqlite needs a file");
        if (!file && given("Store.Path"))
            problem("Store.Path", "is for sqlite, and Store.Driver is " + values_.store_driver);
        if (file && given("Store.Host"))
            problem("Store.Host", "is for mysql and postgres, and Store.Driver is sqlite");
        if (file)
            return;
        if (values_.store_host.empty())
            problem("Store.Driver", values_.store_driver + " needs Store.Host");
        if (values_.store_user.empty())
            problem("Store.Driver", values_.store_driver + " needs Store.User");
        if (values_.store_database.empty())
            problem("Store.Db", "is empty");
        if (values_.store_driver == "postgres" && values_.store_schema.empty())
            problem("Store.Schema", "is empty");
    }

    void log()
    {
        try
        {
            read_rotation(values_.log_rotation_config);
        }
        catch (std::invalid_argument const& e)
        {
            problem("Log.RotationConfigJSON", e.what());
        }
        if (values_.log_outputs.empty())
            problem("Log.Outputs", "is empty");
    }

    void tokens()
    {
        check_tokens(values_.bearer_tokens, "Weft.BearerTokens");
        if (values_.bearer_token_file.empty())
            return;
        try
        {
            std::istringstream       lines(world_.read(values_.bearer_token_file));
            std::vector<std::string> tokens;
            for (std::string line; std::getline(lines, line);)
            {
                while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
                    line.pop_back();
                if (!line.empty() && line[0] != '#')
                    tokens.push_back(line);
            }
            if (tokens.empty())
                problem("Weft.BearerTokenFile", values_.bearer_token_file + " has no token");
            check_tokens(tokens, "Weft.BearerTokenFile");
            values_.bearer_tokens.insert(values_.bearer_tokens.end(), tokens.begin(), tokens.end());
        }
        catch (std::runtime_error const& e)
        {
            problem("Weft.BearerTokenFile", values_.bearer_token_file + " cannot be read: " + e.what());
        }
    }

    // None is quoted.
    void check_tokens(std::vector<std::string> const& tokens, std::string_view key)
    {
        for (std::size_t i = 0; i < tokens.size(); ++i)
        {
            auto const& t = tokens[i];
            auto const  which = "token " + std::to_string(i + 1);
            if (std::any_of(t.begin(), t.end(), [](unsigned char l) { return l <= ' ' || l >= 0x7f; }))
                problem(key, which + " has characters that cannot be sent");
            else if (t.size() < 16)
                problem(key, which + " is shorter than 16 characters");
        }
    }

    void trust()
    {
        if (values_.certificate.empty() != values_.certificate_key.empty())
            problem(values_.certificate.empty() ? "Weft.Key" : "Weft.Certificate",
                    values_.certificate.empty() ? "needs Weft.Certificate" : "needs Weft.Key");
        if (!values_.client_ca.empty() && values_.certificate.empty())
            problem("Weft.ClientCA", "needs Weft.Certificate");
        boost::system::error_code none;
        boost::asio::ip::make_address(values_.listen, none);
        if (none && !is_loopback(values_.listen))
            return problem("Weft.Listen", "is no IP address, such as 127.0.0.1, 0.0.0.0 or ::");
        if (is_loopback(values_.listen))
            return;
        if (values_.bearer_tokens.empty() && values_.client_ca.empty() && !values_.insecure)
            problem("Weft.Listen",
                    values_.listen + " is beyond loopback: it takes Weft.BearerTokens, Weft.ClientCA, or Weft.Insecure: true");
        if (values_.insecure && values_.bearer_tokens.empty() && values_.client_ca.empty())
            warning("Weft.Insecure", "whoever reaches " + values_.listen + " may do everything");
        else if (values_.certificate.empty())
            warning("Weft.Listen", "without Weft.Certificate tokens travel as they are");
        if (values_.branch_urls.empty())
            warning("Weft.Listen", "without Weft.BranchUrls clients can have any address called that this machine reaches");
    }

    void addresses()
    {
        if (!values_.alert_web_hook.empty())
        {
            auto const url = boost::urls::parse_uri(values_.alert_web_hook);
            if (!url || (url->scheme() != "http" && url->scheme() != "https") || url->host().empty())
                problem("AlertWebHook", "is no http or https address");
        }
        try
        {
            url_patterns const patterns(values_.branch_urls);
        }
        catch (std::invalid_argument const& e)
        {
            problem("Weft.BranchUrls", e.what());
        }
    }

    loaded_configuration&     all_;
    configuration&            values_;
    surroundings const&       world_;
    std::vector<std::string>& problems_;
};

std::string encoded(std::string const& text) { return boost::urls::encode(text, boost::urls::unreserved_chars); }

}  // namespace

void check_rules(loaded_configuration& all, surroundings const& world, std::vector<std::string>& problems)
{
    rules(all, world, problems).check();
}

rotation read_rotation(std::string const& json)
{
    boost::system::error_code failed;
    auto const                value = boost::json::parse(json, failed);
    if (failed || !value.is_object())
        throw std::invalid_argument("is no JSON object");
    rotation r;
    for (auto const& [name, v] : value.get_object())
    {
        if (name == "maxsize" || name == "maxbackups")
        {
            boost::system::error_code no_number;
            auto const                n = v.to_number<std::int64_t>(no_number);
            if (no_number || n < 0 || n > 10'000)
                throw std::invalid_argument(std::string(name) + " is 0 to 10000");
            if (n != 0)
                (name == "maxsize" ? r.megabytes : r.files) = static_cast<std::size_t>(n);
        }
        else if (name != "maxage" && name != "localtime" && name != "compress")
            throw std::invalid_argument("has a member that is none of maxsize, maxbackups, maxage, localtime, compress");
        else if (v != boost::json::value(0) && v != boost::json::value(false))
            throw std::invalid_argument(std::string(name) + " is not there: only maxsize and maxbackups are");
    }
    return r;
}

std::string store_url(configuration const& c)
{
    if (!c.store_url.empty())
        return c.store_url;
    if (c.store_driver == "sqlite")
    {
        boost::urls::grammar::lut_chars const in_path = boost::urls::unreserved_chars + '/';
        return "sqlite://" + boost::urls::encode(c.store_path, in_path);
    }
    bool const        postgres = c.store_driver == "postgres";
    auto const        port = c.store_port != 0 ? c.store_port : postgres ? 5432 : 3306;
    auto const        server = c.in_container ? host_from_container(c.store_host) : c.store_host;
    bool const        six = server.find(':') != std::string::npos;
    std::string const host = six ? '[' + server + ']' : encoded(server);
    return (postgres ? "postgres://" : "mysql://") + encoded(c.store_user) +
           (c.store_password.empty() ? "" : ':' + encoded(c.store_password)) + '@' + host + ':' + std::to_string(port) + '/' +
           encoded(c.store_database) + (postgres ? "?schema=" + encoded(c.store_schema) : "");
}

bool says_relocation(configuration const& c)
{
    auto const url = store_url(c);
    auto const options = url.find('?');
    return options != std::string::npos && ('&' + url.substr(options + 1)).find("&store=") != std::string::npos;
}

std::string masked_url(std::string const& text)
{
    if (text.empty() || text.starts_with("sqlite://") || text == "memory://")
        return text;
    auto const parsed = boost::urls::parse_uri(text);
    if (!parsed)
        return "***";
    std::string out = std::string(parsed->scheme()) + "://";
    if (parsed->has_userinfo())
        out += std::string(parsed->encoded_user()) + (parsed->has_password() ? ":***@" : "@");
    out += std::string(parsed->encoded_host_and_port());
    // A database's name is known to be none; the path of a web hook may be its secret.
    if (parsed->scheme() == "http" || parsed->scheme() == "https")
        return out + (parsed->encoded_path().size() > 1 || parsed->has_query() ? "/***" : std::string(parsed->encoded_path()));
    out += std::string(parsed->encoded_path());
    char between = '?';
    for (auto const& option : parsed->params())
    {
        bool const secret = option.key.find("pass") != std::string::npos || option.key.find("secret") != std::string::npos;
        out += between + option.key + '=' + (secret ? "***" : option.value);
        between = '&';
    }
    return out;
}

bool is_loopback(std::string const& address)
{
    boost::system::error_code none;
    auto const                parsed = boost::asio::ip::make_address(address, none);
    return address == "localhost" || (!none && parsed.is_loopback());
}

}  // namespace weftd
