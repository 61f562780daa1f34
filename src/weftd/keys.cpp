#include "src/weftd/keys.hpp"

#include <weft/detail/utc_offset.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numeric>
#include <utility>

namespace weftd {

namespace {

using c = configuration;
constexpr auto secret = key::secrecy::secret;
constexpr auto url = key::secrecy::url;

// clang-format off
constexpr key table[] = {
    {.name = "Store.Driver", .to = &c::store_driver, .default_text = "sqlite", .help = "where transactions are kept; dtm's boltdb is taken for sqlite", .words = "sqlite, mysql, postgres, boltdb"},
    {.name = "Store.Path", .to = &c::store_path, .default_text = "weft.db", .help = "sqlite: the file"},
    {.name = "Store.Host", .to = &c::store_host, .default_text = "", .help = "mysql, postgres: the server"},
    {.name = "Store.Port", .to = &c::store_port, .default_text = "0", .help = "mysql, postgres: its port; 0: 3306 or 5432", .most = 65'535},
    {.name = "Store.User", .to = &c::store_user, .default_text = "", .help = "mysql, postgres"},
    {.name = "Store.Password", .to = &c::store_password, .default_text = "", .help = "mysql, postgres", .shown = secret},
    {.name = "Store.Db", .to = &c::store_database, .default_text = "dtm", .help = "mysql, postgres: the database; it must exist, its tables are made"},
    {.name = "Store.Schema", .to = &c::store_schema, .default_text = "public", .help = "postgres: the schema; it must exist"},
    {.name = "Store.Url", .to = &c::store_url, .default_text = "", .help = "all of that in one, with more options: [databases.md](databases.md#urls)", .shown = url},
    {.name = "Store.MaxOpenConns", .to = ignored{}, .default_text = "500", .help = "no effect: one connection writes for all transactions together"},
    {.name = "Store.MaxIdleConns", .to = ignored{}, .default_text = "500", .help = "no effect"},
    {.name = "Store.ConnMaxLifeTime", .to = ignored{}, .default_text = "5", .help = "no effect"},
    {.name = "Store.DataExpire", .to = ignored{}, .default_text = "604800", .help = "no effect: unfinished transactions never expire"},
    {.name = "Store.FinishedDataExpire", .to = ignored{}, .default_text = "86400", .help = "no effect: see Weft.Retention"},
    {.name = "Store.RedisPrefix", .to = ignored{}, .default_text = "{a}", .help = "no effect: there is no Redis store yet"},

    {.name = "RetryInterval", .to = &c::retry_interval, .default_text = "10", .help = "before what is not done yet is tried again; after errors twice as long each time, up to 10 minutes", .least = 10},
    {.name = "TimeoutToFail", .to = &c::timeout_to_fail, .default_text = "35", .help = "how long a tcc, xa or msg may be prepared before it is rolled back, or its sender asked; not less than RetryInterval", .least = 1},
    {.name = "RequestTimeout", .to = &c::request_timeout, .default_text = "3", .help = "of one call of a branch", .least = 1},
    {.name = "TransCronInterval", .to = &c::trans_cron_interval, .default_text = "0", .help = "how often to look for what other processes have made due; 0: every 250 ms", .most = 3'600},
    {.name = "AlertRetryLimit", .to = &c::alert_retry_limit, .default_text = "3", .help = "from which failure of a branch in a row on there is an alert", .least = 1},
    {.name = "AlertWebHook", .to = &c::alert_web_hook, .default_text = "", .help = "where alerts are posted; empty: nowhere", .shown = url},
    {.name = "UpdateBranchSync", .to = ignored{}, .default_text = "1", .help = "no effect: what a branch answered is always durable before anything follows from it"},
    {.name = "UpdateBranchAsyncGoroutineNum", .to = ignored{}, .default_text = "1", .help = "no effect"},
    {.name = "ConfigUpdateInterval", .to = ignored{}, .default_text = "3", .help = "no effect: topics are read when they are needed"},

    {.name = "HttpPort", .to = &c::http_port, .default_text = "36789", .help = "HTTP and JSON-RPC; 0: any free one, which the log names", .most = 65'535},
    {.name = "JsonRpcPort", .to = ignored{}, .default_text = "36791", .help = "no effect: JSON-RPC is on HttpPort"},
    {.name = "GrpcPort", .to = ignored{}, .default_text = "36790", .help = "no effect yet: there is no gRPC"},
    {.name = "GrpcServiceConfig", .to = ignored{}, .default_text = "", .help = "no effect yet"},
    {.name = "AdminBasePath", .to = ignored{}, .default_text = "", .help = "no effect yet: there are no admin pages"},
    {.name = "MicroService.Driver", .to = ignored{}, .default_text = "default", .help = "no effect yet: branches are addresses"},
    {.name = "MicroService.Target", .to = ignored{}, .default_text = "", .help = "no effect yet"},
    {.name = "MicroService.EndPoint", .to = ignored{}, .default_text = "", .help = "no effect yet"},
    {.name = "HttpMicroService.Driver", .to = ignored{}, .default_text = "default", .help = "no effect, as in dtm"},
    {.name = "HttpMicroService.RegistryType", .to = ignored{}, .default_text = "", .help = "no effect, as in dtm"},
    {.name = "HttpMicroService.RegistryAddress", .to = ignored{}, .default_text = "", .help = "no effect, as in dtm"},
    {.name = "HttpMicroService.RegistryOptions", .to = ignored{}, .default_text = "{}", .help = "no effect, as in dtm"},
    {.name = "HttpMicroService.Target", .to = ignored{}, .default_text = "", .help = "no effect, as in dtm"},
    {.name = "HttpMicroService.EndPoint", .to = ignored{}, .default_text = "", .help = "no effect, as in dtm"},

    {.name = "LogLevel", .to = &c::log_level, .default_text = "info", .help = "what is logged, at least; debug has a line for each request", .words = "debug, info, warn, error"},
    {.name = "Log.Outputs", .to = &c::log_outputs, .default_text = "stderr", .help = "stderr, stdout, and files"},
    {.name = "Log.RotationEnable", .to = &c::log_rotation, .default_text = "0", .help = "begin a new file when one is full"},
    {.name = "Log.RotationConfigJSON", .to = &c::log_rotation_config, .default_text = "{}", .help = "maxsize (MB, 100) and maxbackups (files, 100)"},
    {.name = "TimeZoneOffset", .to = &c::time_zone_offset, .default_text = "", .help = "how far from UTC times are shown, in the log and in answers, and are understood in the rows that dtm left in MySQL; in the store they are UTC. Empty: UTC, and dtm's rows are in the server's local time"},

    {.name = "Weft.Listen", .to = &c::listen, .default_text = "127.0.0.1", .help = "the address to listen at; beyond loopback it takes tokens, client certificates, or Weft.Insecure"},
    {.name = "Weft.BearerTokens", .to = &c::bearer_tokens, .default_text = "", .help = "one of them must come with each request; of at least 16 characters", .shown = secret},
    {.name = "Weft.BearerTokenFile", .to = &c::bearer_token_file, .default_text = "", .help = "a file with such tokens, one a line"},
    {.name = "Weft.Certificate", .to = &c::certificate, .default_text = "", .help = "PEM file with the chain: the server speaks TLS"},
    {.name = "Weft.Key", .to = &c::certificate_key, .default_text = "", .help = "PEM file with the certificate's key"},
    {.name = "Weft.ClientCA", .to = &c::client_ca, .default_text = "", .help = "PEM file: clients need a certificate of this authority"},
    {.name = "Weft.Insecure", .to = &c::insecure, .default_text = "false", .help = "listen beyond loopback to whoever comes"},
    {.name = "Weft.BranchUrls", .to = &c::branch_urls, .default_text = "", .help = "the addresses that branches may have, as patterns; empty: all of http and https"},
    {.name = "Weft.BodyLimit", .to = &c::body_limit, .default_text = "4194304", .help = "bytes of a request's body", .least = 1'024, .most = 1 << 30},
    {.name = "Weft.HeaderLimit", .to = &c::header_limit, .default_text = "16384", .help = "bytes of a request's header", .least = 1'024, .most = 1 << 20},
    {.name = "Weft.BodiesLimit", .to = &c::bodies_limit, .default_text = "67108864", .help = "bytes of all bodies together that are held at a time, and of long answers; not less than two bodies of Weft.BodyLimit. More is 503", .least = 65'536},
    {.name = "Weft.Connections", .to = &c::connections, .default_text = "50000", .help = "open at a time, and no more than the limit of open files leaves (a part of it is kept for the store and for calls of branches); more are closed at once", .least = 1},
    {.name = "Weft.ConnectionsPerAddress", .to = &c::connections_per_address, .default_text = "0", .help = "of one client address, or IPv6 network of 64 bits; 0: three quarters of Weft.Connections"},
    {.name = "Weft.RequestsPerSecond", .to = &c::requests_per_second, .default_text = "0", .help = "of one client address; 0: no limit"},
    {.name = "Weft.ServingThreads", .to = &c::serving_threads, .default_text = "0", .help = "that read requests and write answers, TLS included; 0: one for each two processors, 1 to 4", .most = 64},
    {.name = "Weft.ClientTimeout", .to = &c::client_timeout, .default_text = "30", .help = "for a request to arrive", .least = 1},
    {.name = "Weft.IdleTimeout", .to = &c::idle_timeout, .default_text = "75", .help = "between two requests of a connection", .least = 1},
    {.name = "Weft.DrainDeadline", .to = &c::drain_deadline, .default_text = "10", .help = "how long requests and calls under way may take after SIGTERM", .most = 3'600},
    {.name = "Weft.Retention", .to = &c::retention, .default_text = "0", .help = "how long finished transactions are kept; 0: for ever. A gid that was removed is new again", .least = 60, .or_zero = true},
    {.name = "Weft.BarrierRetention", .to = &c::barrier_retention, .default_text = "0", .help = "the same for rows of a table barrier in the store's own database; 0: they are not touched. Not less than Weft.Retention", .least = 60, .or_zero = true},
    {.name = "Weft.RetentionBatch", .to = &c::retention_batch, .default_text = "500", .help = "how many are removed in one go", .least = 1, .most = 10'000},
    {.name = "Weft.RetentionInterval", .to = &c::retention_interval, .default_text = "60", .help = "how often to look for them", .least = 1, .most = 86'400},
};
// clang-format on

std::string lower(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char l) { return static_cast<char>(std::tolower(l)); });
    return out;
}

// How many letters have to be put in, left out or changed.
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i)
    {
        auto diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j)
        {
            auto const other = std::min(row[j], row[j + 1]) + 1;
            row[j + 1] = std::min(other, std::exchange(diagonal, row[j + 1]) + (a[i] != b[j]));
        }
    }
    return row.back();
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

std::vector<std::string> split(std::string_view text)
{
    std::vector<std::string> parts;
    while (!text.empty())
    {
        auto const comma = std::min(text.find(','), text.size());
        auto       part = text.substr(0, comma);
        text.remove_prefix(std::min(comma + 1, text.size()));
        auto const first = part.find_first_not_of(" \t");
        if (first == part.npos)
            continue;
        part = part.substr(first, part.find_last_not_of(" \t") - first + 1);
        parts.emplace_back(part);
    }
    return parts;
}

bool is_word_of(std::string_view words, std::string_view text)
{
    for (std::size_t from = 0;;)
    {
        auto const to = std::min(words.find(", ", from), words.size());
        if (words.substr(from, to - from) == text)
            return true;
        if (to == words.size())
            return false;
        from = to + 2;
    }
}

[[noreturn]] void refuse(key const& k) { throw std::invalid_argument(allowed(k)); }

std::int64_t number(key const& k, std::string_view text, std::int64_t unit = 1)
{
    std::int64_t n = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size() || n < 0 || n > std::numeric_limits<std::int64_t>::max() / unit)
        refuse(k);
    n *= unit;
    if ((n < k.least || n > k.most) && !(n == 0 && k.or_zero))
        refuse(k);
    return n;
}

std::int64_t seconds(key const& k, std::string_view text)
{
    constexpr std::pair<char, std::int64_t> units[] = {{'s', 1}, {'m', 60}, {'h', 3'600}, {'d', 86'400}};
    for (auto const& [letter, unit] : units)
        if (text.ends_with(letter))
            return number(k, text.substr(0, text.size() - 1), unit);
    return number(k, text);
}

// Hours, as dtm has it; or hours and minutes.
std::optional<std::chrono::minutes> offset(key const& k, std::string_view text)
{
    if (text.empty())
        return std::nullopt;
    bool const behind = text.starts_with('-');
    if (behind || text.starts_with('+'))
        text.remove_prefix(1);
    auto const two_digits = [&](std::string_view digits, int most) {
        int n = 0;
        auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
        if (digits.empty() || digits.size() > 2 || error != std::errc() || end != digits.data() + digits.size() || n < 0 || n > most)
            refuse(k);
        return n;
    };
    auto const                 colon = std::min(text.find(':'), text.size());
    std::chrono::minutes const distance = std::chrono::hours(two_digits(text.substr(0, colon), 14)) +
                                          std::chrono::minutes(colon == text.size() ? 0 : two_digits(text.substr(colon + 1), 59));
    if (distance > std::chrono::hours(14))
        refuse(k);
    return behind ? -distance : distance;
}

bool flag(key const& k, std::string const& text)
{
    auto const word = lower(text);
    if (word == "true" || word == "1")
        return true;
    if (word == "false" || word == "0")
        return false;
    refuse(k);
}

}  // namespace

std::span<key const> keys() { return table; }

key const* find_key(std::string_view name)
{
    auto const found = std::find_if(std::begin(table), std::end(table), [&](key const& k) { return k.name == name; });
    return found == std::end(table) ? nullptr : found;
}

std::string_view nearest_key(std::string_view name)
{
    if (name.size() > 64)
        return {};
    auto const       wanted = lower(name);
    std::string_view best;
    auto             least = std::max<std::size_t>(2, name.size() / 4) + 1;
    for (auto const& k : table)
    {
        // A key in the wrong section is as near as one letter.
        auto const d = std::min(distance(wanted, lower(k.name)), distance(lower(last_part(name)), lower(last_part(k.name))) + 1);
        if (d < least)
        {
            least = d;
            best = k.name;
        }
    }
    return best;
}

std::string_view nearest_section(std::string_view name)
{
    auto const wanted = lower(name.substr(0, 64));
    for (auto const& k : table)
        if (auto const section = k.name.substr(0, k.name.find('.'));
            section.size() < k.name.size() && distance(wanted, lower(section)) <= 2)
            return section;
    return {};
}

std::string environment_name(std::string_view name)
{
    auto const  is_lower = [](char l) { return l >= 'a' && l <= 'z'; };
    auto const  is_upper = [](char l) { return l >= 'A' && l <= 'Z'; };
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i)
    {
        auto const here = name[i], before = i == 0 ? '.' : name[i - 1], after = i + 1 < name.size() ? name[i + 1] : '.';
        if (is_upper(here) && (is_lower(before) || (is_upper(before) && is_lower(after))))
            out += '_';
        out += here == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(here)));
    }
    return out;
}

std::string allowed(key const& k)
{
    auto const range = [&] {
        std::string text = k.or_zero ? "0, or " : "";
        text += std::to_string(k.least);
        return text + (k.most == std::numeric_limits<std::int32_t>::max() ? std::string(" or more") : " to " + std::to_string(k.most));
    };
    struct
    {
        std::function<std::string()> range;
        key const&                   k;

        std::string operator()(std::string configuration::*) const { return k.words.empty() ? "text" : std::string(k.words); }
        std::string operator()(std::int64_t configuration::*) const { return range(); }
        std::string operator()(std::chrono::seconds configuration::*) const { return range() + ", in seconds (or 5m, 12h, 30d)"; }
        std::string operator()(bool configuration::*) const { return "true, false, 1 or 0"; }
        std::string operator()(std::vector<std::string> configuration::*) const { return "a list, or text with commas"; }
        std::string operator()(std::optional<std::chrono::minutes> configuration::*) const
        {
            return "hours from -14 to +14, such as +8, or +5:30";
        }
        std::string operator()(ignored) const { return "anything"; }
    } const words{range, k};
    return std::visit(words, k.to);
}

void set(configuration& values, key const& k, std::string const& text)
{
    if (text.find('\0') != std::string::npos)
        refuse(k);
    struct
    {
        configuration&     values;
        key const&         k;
        std::string const& text;

        void operator()(std::string configuration::*to) const
        {
            if (!k.words.empty() && !is_word_of(k.words, text))
                refuse(k);
            values.*to = text;
        }
        void operator()(std::int64_t configuration::*to) const { values.*to = number(k, text); }
        void operator()(std::chrono::seconds configuration::*to) const { values.*to = std::chrono::seconds(seconds(k, text)); }
        void operator()(bool configuration::*to) const { values.*to = flag(k, text); }
        void operator()(std::vector<std::string> configuration::*to) const { values.*to = split(text); }
        void operator()(std::optional<std::chrono::minutes> configuration::*to) const { values.*to = offset(k, text); }
        void operator()(ignored) const { }
    } const put{values, k, text};
    std::visit(put, k.to);
}

namespace {

std::string joined(std::vector<std::string> const& parts)
{
    std::string text;
    for (auto const& p : parts)
        text += (text.empty() ? "" : ", ") + p;
    return text;
}

}  // namespace

std::string text_of(configuration const& values, key const& k)
{
    struct
    {
        configuration const& values;
        key const&           k;

        std::string operator()(std::string configuration::*from) const { return values.*from; }
        std::string operator()(std::int64_t configuration::*from) const { return std::to_string(values.*from); }
        std::string operator()(std::chrono::seconds configuration::*from) const { return std::to_string((values.*from).count()); }
        std::string operator()(bool configuration::*from) const { return values.*from ? "true" : "false"; }
        std::string operator()(std::vector<std::string> configuration::*from) const { return joined(values.*from); }
        std::string operator()(std::optional<std::chrono::minutes> configuration::*from) const
        {
            return values.*from ? weft::detail::utc_offset_text(*(values.*from)) : "";
        }
        std::string operator()(ignored) const { return std::string(k.default_text); }
    } const get{values, k};
    return std::visit(get, k.to);
}

std::string shown_text_of(configuration const& values, key const& k)
{
    auto const text = text_of(values, k);
    if (k.shown == key::secrecy::secret)
        return text.empty() ? "" : "***";
    return k.shown == key::secrecy::url ? masked_url(text) : text;
}

}  // namespace weftd
