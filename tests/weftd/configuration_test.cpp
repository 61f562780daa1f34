// What weftd is told: good and bad files as tables, the environment, masking.
#include "src/weftd/keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <set>
#include <sstream>

using namespace std::chrono_literals;
using namespace testing;

namespace {

struct world
{
    std::map<std::string, std::string> variables, files;

    weftd::surroundings get() const
    {
        weftd::surroundings s;
        s.environment = [this](std::string const& name) {
            auto const found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        };
        s.read = [this](std::string const& path) {
            auto const found = files.find(path);
            if (found == files.end())
                throw std::runtime_error("No such file or directory");
            return found->second;
        };
        return s;
    }
};

std::vector<std::string> problems_of(std::string const& yaml, world const& w = {})
{
    try
    {
        weftd::load(yaml, "conf.yml", w.get());
        return {};
    }
    catch (weftd::bad_configuration const& e)
    {
        return e.problems();
    }
}

weftd::configuration values_of(std::string const& yaml, world const& w = {}) { return weftd::load(yaml, "conf.yml", w.get()).values; }

// As dtm ships it: everything is a comment.
char const* const nothing = "# Store:\n#   Driver: 'mysql'\n";

}  // namespace

TEST(Configuration, HasDtmsDefaults)
{
    auto const all = weftd::load("", "", world().get());
    EXPECT_EQ(all.values.http_port, 36789);
    EXPECT_EQ(all.values.retry_interval, std::chrono::seconds(10));
    EXPECT_EQ(all.values.timeout_to_fail, std::chrono::seconds(35));
    EXPECT_EQ(all.values.request_timeout, std::chrono::seconds(3));
    EXPECT_EQ(all.values.alert_retry_limit, 3);
    EXPECT_EQ(all.values.log_level, "info");
    EXPECT_THAT(all.values.log_outputs, ElementsAre("stderr"));
    EXPECT_EQ(weftd::store_url(all.values), "sqlite://weft.db");
    EXPECT_EQ(all.values.listen, "127.0.0.1");
    EXPECT_THAT(all.warnings, IsEmpty());
    EXPECT_THAT(all.origins, IsEmpty());
    EXPECT_EQ(values_of(nothing).http_port, 36789);
    EXPECT_EQ(values_of("Store:\nLog:\n").store_driver, "sqlite");
}

TEST(Configuration, TakesWhatIsAllowed)
{
    auto const c = values_of("Store:\n"
                             "  Driver: postgres\n"
                             "  Host: db.example\n"
                             "  User: 'sh:op'\n"
                             "  Password: 'p@ss/wörd?'\n"
                             "  Db: shop\n"
                             "  Schema: weft\n"
                             "RetryInterval: 20\n"
                             "TimeoutToFail: 1h\n"
                             "HttpPort: 0\n"
                             "LogLevel: warn\n"
                             "Log:\n"
                             "  Outputs: stderr, /var/log/weftd.log\n"
                             "  RotationEnable: 1\n"
                             "  RotationConfigJSON: '{\"maxsize\": 5, \"maxbackups\": 3, \"maxage\": 0, \"compress\": false}'\n"
                             "Weft:\n"
                             "  BearerTokens: [0123456789abcdef, fedcba9876543210]\n"
                             "  BranchUrls:\n"
                             "    - https://*.shop.internal/*\n"
                             "    - http://10.0.0.5:8080/api/*\n"
                             "  Retention: 30d\n"
                             "  RequestsPerSecond: 100\n");
    EXPECT_EQ(weftd::store_url(c), "postgres://sh%3Aop:p%40ss%2Fw%C3%B6rd%3F@db.example:5432/shop?schema=weft");
    EXPECT_EQ(c.retry_interval, std::chrono::seconds(20));
    EXPECT_EQ(c.timeout_to_fail, std::chrono::hours(1));
    EXPECT_EQ(c.http_port, 0);
    EXPECT_THAT(c.log_outputs, ElementsAre("stderr", "/var/log/weftd.log"));
    EXPECT_TRUE(c.log_rotation);
    EXPECT_EQ(weftd::read_rotation(c.log_rotation_config).megabytes, 5u);
    EXPECT_EQ(weftd::read_rotation(c.log_rotation_config).files, 3u);
    EXPECT_THAT(c.bearer_tokens, ElementsAre("0123456789abcdef", "fedcba9876543210"));
    EXPECT_THAT(c.branch_urls, SizeIs(2));
    EXPECT_EQ(c.retention, std::chrono::hours(24 * 30));
    EXPECT_EQ(weftd::store_url(values_of("Store: {Driver: mysql, Host: '::1', User: root}")), "mysql://root@[::1]:3306/dtm");
    EXPECT_EQ(weftd::store_url(values_of("Store: {Path: '/var/lib/a b?.db'}")), "sqlite:///var/lib/a%20b%3F.db");
    EXPECT_EQ(weftd::store_url(values_of("Store: {Url: 'memory://'}")), "memory://");
    for (auto const* loopback : {"127.0.0.1", "127.0.0.2", "'::1'", "localhost"})
        EXPECT_THAT(problems_of("Weft: {Listen: " + std::string(loopback) + "}"), IsEmpty());
}

TEST(Configuration, RefusesWhatIsWrongWithFileLineAndWhatIsAllowed)
{
    struct bad
    {
        char const* yaml;
        char const* message;
    };
    bad const table[] = {
        // values
        {"RetryInterval: 5", "conf.yml:1: RetryInterval: \"5\" is not allowed: 10 or more, in seconds (or 5m, 12h, 30d)"},
        {"\n\nRetryInterval: ten", "conf.yml:3: RetryInterval: \"ten\" is not allowed: 10 or more, in seconds (or 5m, 12h, 30d)"},
        {"RetryInterval: -10", "conf.yml:1: RetryInterval: \"-10\" is not allowed: 10 or more, in seconds (or 5m, 12h, 30d)"},
        {"RetryInterval: 99999999999999999999",
         "conf.yml:1: RetryInterval: \"99999999999999999999\" is not allowed: 10 or more, in seconds (or 5m, 12h, 30d)"},
        {"RetryInterval: 9999999999999999d",
         "conf.yml:1: RetryInterval: \"9999999999999999d\" is not allowed: 10 or more, in seconds (or 5m, 12h, 30d)"},
        {"HttpPort: 65536", "conf.yml:1: HttpPort: \"65536\" is not allowed: 0 to 65535"},
        {"HttpPort: 80 80", "conf.yml:1: HttpPort: \"80 80\" is not allowed: 0 to 65535"},
        {"LogLevel: verbose", "conf.yml:1: LogLevel: \"verbose\" is not allowed: debug, info, warn, error"},
        {"LogLevel: 'debug, info'", "conf.yml:1: LogLevel: \"debug, info\" is not allowed: debug, info, warn, error"},
        {"LogLevel: [info]", "conf.yml:1: LogLevel: is a list; allowed: debug, info, warn, error"},
        {"LogLevel: {a: b}", "conf.yml:1: LogLevel: is a section; allowed: debug, info, warn, error"},
        {"Store:\n  Driver: redis", "conf.yml:2: Store.Driver: \"redis\" is not allowed: sqlite, mysql, postgres, boltdb"},
        {"Weft:\n  Insecure: perhaps", "conf.yml:2: Weft.Insecure: \"perhaps\" is not allowed: true, false, 1 or 0"},
        {"Weft:\n  Retention: 5", "conf.yml:2: Weft.Retention: \"5\" is not allowed: 0, or 60 or more, in seconds (or 5m, 12h, 30d)"},
        {"Weft:\n  BranchUrls: [[a]]", "conf.yml:2: Weft.BranchUrls: its elements are texts without commas"},
        {"TimeZoneOffset: 15", "conf.yml:1: TimeZoneOffset: \"15\" is not allowed: hours from -14 to +14, such as +8, or +5:30"},
        {"TimeZoneOffset: '+14:01'", "conf.yml:1: TimeZoneOffset: \"+14:01\" is not allowed: hours from -14 to +14, such as +8, or +5:30"},
        {"TimeZoneOffset: Asia/Shanghai",
         "conf.yml:1: TimeZoneOffset: \"Asia/Shanghai\" is not allowed: hours from -14 to +14, such as +8, or +5:30"},
        // keys
        {"RetryIntervall: 10", "conf.yml:1: RetryIntervall: there is no such key; did you mean RetryInterval?"},
        {"retryinterval: 10", "conf.yml:1: retryinterval: there is no such key; did you mean RetryInterval?"},
        {"Store:\n  Hots: db", "conf.yml:2: Store.Hots: there is no such key; did you mean Store.Host?"},
        {"Store:\n  RetryInterval: 10", "conf.yml:2: Store.RetryInterval: there is no such key; did you mean RetryInterval?"},
        {"Schema: weft", "conf.yml:1: Schema: there is no such key; did you mean Store.Schema?"},
        {"Store.Driver: sqlite", "conf.yml:1: Store.Driver: is written as a key within a section, Store:"},
        {"store:\n  Driver: sqlite", "conf.yml:1: store: there is no such key; did you mean the section Store?"},
        {"Wefft:\n  Listen: '::1'", "conf.yml:1: Wefft: there is no such key; did you mean the section Weft?"},
        {"Colour: red", "conf.yml:1: Colour: there is no such key"},
        {"RetryInterval: 10\nRetryInterval: 20", "conf.yml:2: RetryInterval: is there already, at conf.yml:1"},
        {"Store: {}\nStore: {}", "conf.yml:2: Store: is there already, at conf.yml:1"},
        {"[a]: b", "conf.yml:1: a key is a name"},
        // files
        {"- a", "conf.yml:1: the file consists of keys and values"},
        {"just text", "conf.yml:1: the file consists of keys and values"},
        {"Store: sqlite", "conf.yml:1: Store consists of keys and values"},
        {"Store:\n  Driver: sqlite\n Host: x", "conf.yml:3: end of map not found"},
        {"a: [", "conf.yml:1: end of sequence flow not found"},
        {"a: *b", "conf.yml:1: the referenced anchor is not defined"},
        {"---\nHttpPort: 1\n---\nHttpPort: 2", "conf.yml: has more than one YAML document, or something behind its end"},
        {",HttpPort: 1", "conf.yml: has more than one YAML document, or something behind its end"},
        // what values have to do with each other
        {"RetryInterval: 40", "conf.yml:1: RetryInterval: TimeoutToFail (35) is less than RetryInterval (40)"},
        {"TimeoutToFail: 5", "conf.yml:1: TimeoutToFail: TimeoutToFail (5) is less than RetryInterval (10)"},
        {"Store: {Driver: mysql, User: root}", "conf.yml:1: Store.Driver: mysql needs Store.Host"},
        {"Store: {Driver: postgres, Host: db}", "conf.yml:1: Store.Driver: postgres needs Store.User"},
        {"Store: {Driver: postgres, Host: db, User: u, Schema: ''}", "conf.yml:1: Store.Schema: is empty"},
        {"Store: {Driver: postgres, Host: db, User: u, Db: ''}", "conf.yml:1: Store.Db: is empty"},
        {"Store: {Host: db}", "conf.yml:1: Store.Host: is for mysql and postgres, and Store.Driver is sqlite"},
        {"Store: {Driver: mysql, Host: db, User: u, Path: a.db}", "conf.yml:1: Store.Path: is for sqlite, and Store.Driver is mysql"},
        {"Store:\n  Url: sqlite://a.db\n  Host: db", "conf.yml:3: Store.Host: Store.Url says it already"},
        {"Store: {Url: /a.db}", "conf.yml:1: Store.Url: begins with sqlite://, postgres:// or mysql://"},
        {"Log: {Outputs: ''}", "conf.yml:1: Log.Outputs: is empty"},
        {"Log: {RotationConfigJSON: '{'}", "conf.yml:1: Log.RotationConfigJSON: is no JSON object"},
        {"Log: {RotationConfigJSON: '{\"maxsize\": -1}'}", "conf.yml:1: Log.RotationConfigJSON: maxsize is 0 to 10000"},
        {"Log: {RotationConfigJSON: '{\"compress\": true}'}",
         "conf.yml:1: Log.RotationConfigJSON: compress is not there: only maxsize and maxbackups are"},
        {"Weft: {Certificate: a.pem}", "conf.yml:1: Weft.Certificate: needs Weft.Key"},
        {"Weft: {Key: a.pem}", "conf.yml:1: Weft.Key: needs Weft.Certificate"},
        {"Weft: {ClientCA: a.pem}", "conf.yml:1: Weft.ClientCA: needs Weft.Certificate"},
        {"Weft: {Listen: everywhere}", "conf.yml:1: Weft.Listen: is no IP address, such as 127.0.0.1, 0.0.0.0 or ::"},
        {"Weft: {Listen: 0.0.0.0}",
         "conf.yml:1: Weft.Listen: 0.0.0.0 is beyond loopback: it takes Weft.BearerTokens, Weft.ClientCA, or Weft.Insecure: true"},
        {"Weft: {BearerTokens: short}", "conf.yml:1: Weft.BearerTokens: token 1 is shorter than 16 characters"},
        {"Weft: {BearerTokens: 'with a blank in it'}", "conf.yml:1: Weft.BearerTokens: token 1 has characters that cannot be sent"},
        {"Weft: {BearerTokenFile: tokens}", "conf.yml:1: Weft.BearerTokenFile: tokens cannot be read: No such file or directory"},
        {"Weft: {BarrierRetention: 60}", "conf.yml:1: Weft.BarrierRetention: needs Weft.Retention"},
        {"Weft: {BarrierRetention: 60, Retention: 1h}", "conf.yml:1: Weft.BarrierRetention: is less than Weft.Retention (3600)"},
        {"AlertWebHook: 'hooks.example/secret'", "conf.yml:1: AlertWebHook: is no http or https address"},
        {"Weft: {BranchUrls: [ftp://a/*]}",
         "conf.yml:1: Weft.BranchUrls: \"ftp://a/*\" is no pattern of addresses: it begins with http:// or https://"},
    };
    for (auto const& b : table)
        EXPECT_THAT(problems_of(b.yaml), ElementsAre(b.message)) << b.yaml;
}

TEST(Configuration, SaysAllThatIsWrongAtOnce)
{
    EXPECT_THAT(problems_of("RetryInterval: 5\nHttpPort: x\nColour: red\n"), SizeIs(3));
    EXPECT_THAT(problems_of(std::string("HttpPort: 1\0x", 13)), ElementsAre("conf.yml: is no text: it has NUL characters"));
    EXPECT_THAT(problems_of(std::string((1u << 20) + 1, '#')), ElementsAre("conf.yml: is longer than 1 MiB"));
    EXPECT_THAT(problems_of(std::string(5'000, '[')), SizeIs(1));
}

TEST(Configuration, ReadsAFileThatIsThere)
{
    world w;
    w.files["conf.yml"] = "HttpPort: 1234";
    EXPECT_EQ(weftd::load_file("conf.yml", w.get()).values.http_port, 1234);
    EXPECT_EQ(weftd::load_file("", w.get()).values.http_port, 36789);
    try
    {
        weftd::load_file("other.yml", w.get());
        FAIL();
    }
    catch (weftd::bad_configuration const& e)
    {
        EXPECT_STREQ(e.what(), "other.yml: cannot be read: No such file or directory");
    }
    EXPECT_THROW(weftd::real_surroundings().read("/"), std::runtime_error);
    EXPECT_THROW(weftd::real_surroundings().read("/nowhere/conf.yml"), std::runtime_error);
}

TEST(Configuration, TheFileGoesBeforeTheEnvironmentBeforeTheDefaults)
{
    world w;
    w.variables = {
        {"HTTP_PORT", "1111"}, {"RETRY_INTERVAL", "11"}, {"STORE_PATH", ""}, {"WEFT_BEARER_TOKENS", "0123456789abcdef,fedcba9876543210"}};
    auto const all = weftd::load("HttpPort: 2222", "conf.yml", w.get());
    EXPECT_EQ(all.values.http_port, 2222);
    EXPECT_EQ(all.values.retry_interval, std::chrono::seconds(11));
    EXPECT_EQ(all.values.store_path, "weft.db");
    EXPECT_THAT(all.values.bearer_tokens, SizeIs(2));
    EXPECT_THAT(all.origins, UnorderedElementsAre(Pair("HttpPort", "conf.yml:1"), Pair("RetryInterval", "environment RETRY_INTERVAL"),
                                                  Pair("Weft.BearerTokens", "environment WEFT_BEARER_TOKENS")));
    w.variables = {{"RETRY_INTERVAL", "5"}};
    EXPECT_THAT(problems_of("", w),
                ElementsAre("environment RETRY_INTERVAL: RetryInterval: \"5\" is not allowed: 10 or more, in seconds (or 5m, 12h, 30d)"));
}

TEST(Configuration, NamesTheEnvironmentAsDtmDoes)
{
    EXPECT_EQ(weftd::environment_name("MicroService.EndPoint"), "MICRO_SERVICE_END_POINT");
    EXPECT_EQ(weftd::environment_name("Store.MaxOpenConns"), "STORE_MAX_OPEN_CONNS");
    EXPECT_EQ(weftd::environment_name("HttpPort"), "HTTP_PORT");
    EXPECT_EQ(weftd::environment_name("JsonRpcPort"), "JSON_RPC_PORT");
    EXPECT_EQ(weftd::environment_name("Log.RotationConfigJSON"), "LOG_ROTATION_CONFIG_JSON");
    EXPECT_EQ(weftd::environment_name("UpdateBranchAsyncGoroutineNum"), "UPDATE_BRANCH_ASYNC_GOROUTINE_NUM");
    EXPECT_EQ(weftd::environment_name("Weft.ClientCA"), "WEFT_CLIENT_CA");
    std::set<std::string> names;
    for (auto const& k : weftd::keys())
        EXPECT_TRUE(names.insert(weftd::environment_name(k.name)).second) << k.name;
}

TEST(Configuration, WarnsOfWhatHasNoEffect)
{
    auto const warnings =
        weftd::load("GrpcPort: 36790\nMicroService:\n  Driver: dtm-driver-gozero\nHttpMicroService: {RegistryOptions: {a: b}}\n"
                    "Store: {Driver: boltdb}\n",
                    "conf.yml", world().get())
            .warnings;
    EXPECT_THAT(warnings,
                ElementsAre("conf.yml:1: GrpcPort has no effect yet: there is no gRPC",
                            "conf.yml:3: MicroService.Driver has no effect yet: branches are addresses",
                            "conf.yml:4: HttpMicroService.RegistryOptions has no effect, as in dtm",
                            "conf.yml:5: Store.Driver: boltdb is taken for sqlite: the file is weft.db, and a file of dtm's is not read"));
    EXPECT_THAT(
        weftd::load("Weft: {Listen: 0.0.0.0, Insecure: true}\n", "conf.yml", world().get()).warnings,
        ElementsAre("conf.yml:1: Weft.Insecure: whoever reaches 0.0.0.0 may do everything",
                    "conf.yml:1: Weft.Listen: without Weft.BranchUrls clients can have any address called that this machine reaches"));
}

TEST(Configuration, WarnsOfWhatHasNoEffectWhateverItsValueIs)
{
    auto const warnings =
        weftd::load("GrpcPort: x\nUpdateBranchSync: true\nMicroService: {Target: [a, b]}\n", "conf.yml", world().get()).warnings;
    EXPECT_THAT(warnings,
                ElementsAre(StartsWith("conf.yml:1: GrpcPort has no effect"), StartsWith("conf.yml:2: UpdateBranchSync has no effect"),
                            StartsWith("conf.yml:3: MicroService.Target has no effect")));
}

TEST(Configuration, ReadsHowFarTimesAreFromUtc)
{
    auto const offset = [](std::string const& text) {
        auto const all = weftd::load("TimeZoneOffset: " + text + "\n", "conf.yml", world().get());
        EXPECT_THAT(all.warnings, IsEmpty()) << text;
        return all.values.time_zone_offset;
    };
    EXPECT_EQ(offset("'+8'"), 8h);
    EXPECT_EQ(offset("8"), 8h);
    EXPECT_EQ(offset("0"), 0h);
    EXPECT_EQ(offset("-3"), -3h);
    EXPECT_EQ(offset("'+5:30'"), 330min);
    EXPECT_EQ(offset("'-03:30'"), -210min);
    EXPECT_EQ(offset("''"), std::nullopt);
    EXPECT_THAT(weftd::print(weftd::load("TimeZoneOffset: '+8'\n", "conf.yml", world().get())),
                HasSubstr("TimeZoneOffset: \"+08:00\"  # conf.yml:1\n"));
}

TEST(Configuration, ReadsTokensFromAFile)
{
    world w;
    w.files["tokens"] = "# of the shop\n0123456789abcdef\r\n\nfedcba9876543210";
    EXPECT_THAT(values_of("Weft: {BearerTokenFile: tokens, BearerTokens: aaaaaaaaaaaaaaaa, Listen: '::'}", w).bearer_tokens,
                ElementsAre("aaaaaaaaaaaaaaaa", "0123456789abcdef", "fedcba9876543210"));
    w.files["tokens"] = "# none\n";
    EXPECT_THAT(problems_of("Weft: {BearerTokenFile: tokens}", w), ElementsAre("conf.yml:1: Weft.BearerTokenFile: tokens has no token"));
}

TEST(Configuration, ShowsNoSecret)
{
    world w;
    w.files["tokens"] = "token-from-the-file";
    auto const secret = [&](std::string const& yaml) { return weftd::print(weftd::load(yaml, "conf.yml", w.get())); };
    auto const shown = secret("Store: {Driver: mysql, Host: db, User: hush, Password: hush-hush}\n"
                              "AlertWebHook: 'https://hooks.example/hush-hush?key=hush-hush'\n"
                              "Weft: {BearerTokens: hush-hush-hush-hush, BearerTokenFile: tokens}\n");
    EXPECT_THAT(shown, Not(HasSubstr("hush-hush")));
    EXPECT_THAT(shown, Not(HasSubstr("token-from-the-file")));
    EXPECT_THAT(shown, HasSubstr("  Password: \"***\"  # conf.yml:1\n"));
    EXPECT_THAT(shown, HasSubstr("  User: \"hush\"  # conf.yml:1\n"));
    EXPECT_THAT(shown, HasSubstr("AlertWebHook: \"https://hooks.example/***\"  # conf.yml:2\n"));
    EXPECT_THAT(shown, HasSubstr("HttpPort: 36789\n"));
    EXPECT_THAT(secret("Store: {Url: 'postgres://u:hush-hush@db/weft?sslmode=require&sslpassword=hush-hush'}"),
                HasSubstr("Url: \"postgres://u:***@db/weft?sslmode=require&sslpassword=***\""));
    // What cannot be read may be a secret from one end to the other.
    EXPECT_THAT(secret("Store: {Url: 'postgres://u:hush hush/@db/weft'}"), HasSubstr("Url: \"***\""));
    // No error quotes one either.
    EXPECT_THAT(problems_of("Store: {Password: \"hush\\0hush\"}"),
                ElementsAre("conf.yml:1: Store.Password: its value is not allowed: text"));
}

TEST(Configuration, PrintsWhatItReadsAgain)
{
    auto const all = weftd::load("Store: {Driver: mysql, Host: db, User: u}\nLog: {Outputs: [stderr, stdout]}\nWeft: {Retention: 30d}\n",
                                 "conf.yml", world().get());
    auto       printed = weftd::print(all);
    printed.erase(printed.find("  Path:"), printed.find("  Host:") - printed.find("  Path:"));  // given, it would be refused
    auto const again = weftd::load(printed, "conf.yml", world().get());
    for (auto const& k : weftd::keys())
    {
        EXPECT_EQ(weftd::text_of(all.values, k), weftd::text_of(again.values, k)) << k.name;
    }
}

TEST(Configuration, TheExampleOfTheDocumentationIsOne)
{
    auto real = weftd::real_surroundings();
    auto w = world();
    w.files["/etc/weftd/tokens"] = "0123456789abcdef\n";
    auto const c = values_of(real.read(WEFTD_SOURCES "/tests/weftd/conf.yml"), w);
    EXPECT_EQ(weftd::store_url(c), "postgres://weft:secret@db.example:5432/weft?schema=public");
    EXPECT_EQ(weftd::read_rotation(c.log_rotation_config).files, 10u);
}

TEST(Configuration, KeysAreInTheDocumentation)
{
    std::ifstream      in(WEFTD_SOURCES "/docs/weftd.md");
    std::ostringstream text;
    text << in.rdbuf();
    EXPECT_NE(text.str().find(weftd::print_keys()), std::string::npos)
        << "docs/weftd.md has another table of keys; put there what `weftd print-keys` says:\n"
        << weftd::print_keys();
}
