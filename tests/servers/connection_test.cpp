// How servers are reached: encrypted or not at all, one of several hosts, through a pooler, with any password.
#include "src/sql/server_session.hpp"
#include "tests/support/cutting_proxy.hpp"
#include "tests/support/servers.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>
#include <weft/sql.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace connection_test {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using weft::detail::parse_server_url;
using weft::detail::server_session;

// What connecting says; "none" if it connects.
std::string refusal(std::string const& url)
{
    try
    {
        weft::database db(url);
        db.connect();
        return "none";
    }
    catch (std::exception const& e)
    {
        return e.what();
    }
}

std::string ask(std::string const& url, std::string const& question)
{
    server_session  session(parse_server_url(url), {}, server_session::purpose::participant);
    std::string     name, answer;
    soci::indicator there = soci::i_null;
    if (session.kind() == weft::detail::server_kind::postgres)
        session.sql() << question, soci::into(answer, there);
    else
        session.sql() << question, soci::into(name), soci::into(answer, there);
    return there == soci::i_ok ? answer : "";
}

// As somebody on the way would do it: the server's offer of TLS is taken out of its greeting.
void offer_no_tls(char* data, std::size_t size)
{
    // Length and number, protocol version 10, the server's version, thread, 8 bytes and a zero, and then what it can.
    if (size < 40 || data[3] != 0 || data[4] != 10)
        return;
    auto const* const end = static_cast<char const*>(std::memchr(data + 5, 0, size - 5));
    if (end && end + 4 + 8 + 1 + 2 < data + size)
        data[end - data + 1 + 4 + 8 + 1 + 1] &= static_cast<char>(~0x08);
}

// A pooler gives its clients numbers of its own to cancel by.
void number_of_its_own(char* data, std::size_t size)
{
    constexpr char key_data[] = {'K', 0, 0, 0, 12};
    for (std::size_t i = 0; i + 13 <= size; ++i)
        if (std::memcmp(data + i, key_data, sizeof key_data) == 0)
            data[i + 8] = static_cast<char>(data[i + 8] ^ 0x55);
}

TEST(MysqlTls, EncryptsWhereItIsAskedTo)
{
    server_database here("mysql");
    auto const      ca = authority_of_the_servers();
    EXPECT_NE(ask(here.url("?sslca=" + ca), "SHOW STATUS LIKE 'Ssl_cipher'"), "");
    EXPECT_EQ(ask(here.url(), "SHOW STATUS LIKE 'Ssl_cipher'"), "");
    EXPECT_EQ(refusal(here.url("?sslca=" + ca)), "none");
    EXPECT_NO_THROW(weft::open_store(here.url("?sslmode=require&sslca=" + ca)));
}

TEST(MysqlTls, RefusesAServerThatNobodyKnows)
{
    server_database here("mysql");
    EXPECT_THAT(refusal(here.url("?sslca=" + authority_of_strangers())), AllOf(HasSubstr("certificate"), HasSubstr("127.0.0.1")));
    EXPECT_THAT(refusal(here.url("?sslmode=require")), HasSubstr("certificate")) << "nor does this machine know who signed it";
}

// Another name of the same server, which is not in its certificate.
std::string under_another_name(std::string url) { return url.replace(url.find("@127.0.0.1:"), 11, "@127.1:"); }

TEST(MysqlTls, RefusesACertificateForAnotherHost)
{
    server_database here("mysql");
    auto const      url = under_another_name(here.url()), ca = authority_of_the_servers();
    EXPECT_EQ(refusal(url), "none") << "it leads there";
    for (std::string const& options : {"?sslca=" + ca, "?sslmode=require&sslca=" + ca, "?sslca=" + ca + "&sslmode=verify-full"})
    {
        EXPECT_EQ(refusal(here.url(options)), "none") << options;
        EXPECT_THAT(refusal(url + options), AllOf(HasSubstr("certificate"), HasSubstr("127.1:"))) << options;
    }
    EXPECT_THROW(weft::open_store(url + "?sslca=" + ca), weft::store_error);
    // Said so, the authority is enough.
    EXPECT_NE(ask(url + "?sslmode=verify-ca&sslca=" + ca, "SHOW STATUS LIKE 'Ssl_cipher'"), "");
    EXPECT_THAT(refusal(url + "?sslmode=verify-ca&sslca=" + authority_of_strangers()), HasSubstr("certificate"));
    // "localhost" is a name like another; without TLS it is an address.
    EXPECT_THAT(refusal(here.url().replace(here.url().find("@127.0.0.1:"), 11, "@localhost:") + "?sslca=" + ca), HasSubstr("certificate"));
}

TEST(PostgresTls, RefusesACertificateForAnotherHost)
{
    server_database here("postgres plain");
    auto const      options = "?sslmode=verify-full&sslrootcert=" + authority_of_the_servers();
    auto const      url = here.url();
    EXPECT_THAT(refusal(std::string(url).replace(url.find("@127.0.0.1:"), 11, "@localhost:") + options), HasSubstr("certificate"));
}

// The client library would read it as options, and so anybody's who may choose a host.
TEST(MysqlHosts, AreNamesAndAddresses)
{
    EXPECT_THAT(refusal("mysql://a:b@host=127.0.0.1;local-infile=1:3306/x"), HasSubstr("name or an address"));
    EXPECT_THAT(refusal("mysql://a:b@host%3D127.0.0.1%3Blocal-infile%3D1:3306/x"), HasSubstr("name or an address"));
}

TEST(MysqlTls, DoesNotGoOnInPlainTextWhereTheServerOffersNoTls)
{
    server_database here("mysql");
    cutting_proxy   between(port_of(here.url()));
    between.rewrite(&offer_no_tls);
    auto const url = through(between, here.url());
    EXPECT_EQ(ask(url, "SHOW STATUS LIKE 'Ssl_cipher'"), "");
    for (std::string const& options : {"?sslca=" + authority_of_the_servers(), std::string("?sslmode=require"),
                                       "?sslcert=" + authority_of_the_servers() + "&sslkey=" + authority_of_the_servers()})
        EXPECT_THAT(refusal(url + options), AnyOf(HasSubstr("not encrypted"), HasSubstr("TLS"), HasSubstr("SSL"))) << options;
}

TEST(MysqlTls, SaysWhichFileIsMissing)
{
    server_database here("mysql");
    for (std::string const name : {"sslca", "sslcert", "sslkey"})
        EXPECT_THAT(refusal(here.url("?" + name + "=/nowhere/at-all.pem")), AllOf(HasSubstr(name), HasSubstr("/nowhere/at-all.pem")))
            << name;
    EXPECT_THAT(refusal(here.url("?sslmode=perhaps")), HasSubstr("require, verify-full, verify-ca or disable"));
    EXPECT_THAT(refusal(here.url("?sslmode=disable&sslca=" + authority_of_the_servers())), HasSubstr("disable"));
}

TEST(PostgresTls, EncryptsWhereItIsAskedTo)
{
    server_database here("postgres plain");
    auto const      ca = authority_of_the_servers();
    EXPECT_EQ(
        ask(here.url("?sslmode=verify-full&sslrootcert=" + ca), "SELECT CAST(ssl AS text) FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
        "true");
    EXPECT_NO_THROW(weft::open_store(here.url("?sslmode=verify-full&sslrootcert=" + ca)));
    EXPECT_THAT(refusal(here.url("?sslmode=verify-full&sslrootcert=" + authority_of_strangers())), HasSubstr("certificate"));
    EXPECT_THAT(refusal(here.url("?sslmode=verify-full&sslrootcert=/nowhere/at-all.pem")), HasSubstr("/nowhere/at-all.pem"));
    server_database without("postgres");
    EXPECT_THAT(refusal(without.url("?sslmode=require")), HasSubstr("SSL"));
}

TEST(Hosts, OneOfSeveralThatAnswersIsTaken)
{
    server_database here("postgres");
    auto const      url = here.url(), at = url.substr(url.find('@') + 1);
    auto const      first = "127.0.0.1:1," + at;
    auto const      several = url.substr(0, url.find('@') + 1) + first;
    EXPECT_EQ(refusal(several), "none");
    auto const store = weft::open_store(several);
    EXPECT_THAT(store->describe(), HasSubstr("@127.0.0.1:1,127.0.0.1:"));
    EXPECT_EQ(refusal(url + "?target_session_attrs=read-write"), "none");
    EXPECT_THAT(refusal(url + "?target_session_attrs=standby"), HasSubstr("standby"));
    EXPECT_THAT(refusal("postgres://a@one:1,/x"), HasSubstr("host:port,host:port"));
    EXPECT_THAT(refusal("mysql://a@one:1,two:2/x"), HasSubstr("PostgreSQL"));
}

TEST(Hosts, AServerThatTakesNoWritesIsPassedOver)
{
    server_database replica("postgres plain");
    replica.execute("ALTER DATABASE " + replica.name() + " SET default_transaction_read_only = on");
    auto const url = replica.url(), one = url.substr(url.find('@') + 1, url.rfind('/') - url.find('@') - 1);
    EXPECT_THAT(refusal(url + "?target_session_attrs=read-write"), HasSubstr("read-only"));
    // The same one twice: of several, one that takes writes is wanted without being asked for.
    EXPECT_THAT(refusal(url.substr(0, url.find('@') + 1) + one + ',' + one + url.substr(url.rfind('/'))), HasSubstr("read-only"));
}

TEST(Pooler, IsRefusedUnlessItKeepsSessions)
{
    server_database here("postgres");
    cutting_proxy   pooler(port_of(here.url()));
    auto const      url = through(pooler, here.url());
    EXPECT_EQ(refusal(url), "none");
    pooler.rewrite(&number_of_its_own);
    EXPECT_THAT(refusal(url), AllOf(HasSubstr("PgBouncer"), HasSubstr("pooler=session")));
    EXPECT_THROW(weft::open_store(url), weft::store_error);
    EXPECT_EQ(refusal(url + "?pooler=session"), "none");
    EXPECT_NO_THROW(weft::open_store(url + "?pooler=session"));
}

class Password : public testing::TestWithParam<std::string>
{ };
INSTANTIATE_TEST_SUITE_P(, Password, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(Password, MayHoldAnything)
{
    server_database   here(GetParam());
    bool const        postgres = GetParam() == "postgres";
    std::string const user = "odd_" + here.name();
    std::string const password = "it's \\ \"odd\" = % ? @ / \\' 订";
    std::string       literal, encoded;
    for (unsigned char const c : password)
    {
        literal += c == '\'' ? "''" : c == '\\' && !postgres ? "\\\\" : std::string(1, static_cast<char>(c));
        char code[4];
        std::snprintf(code, sizeof code, "%%%02X", c);
        encoded += code;
    }
    auto const account = postgres ? user : "'" + user + "'@'127.0.0.1'";
    here.execute(postgres ? "CREATE ROLE " + user + " LOGIN PASSWORD '" + literal + "'"
                          : "CREATE USER " + account + " IDENTIFIED BY '" + literal + "'");
    if (!postgres)
        here.execute("GRANT ALL PRIVILEGES ON " + here.name() + ".* TO " + account);
    auto const url = here.url();
    EXPECT_EQ(ask(GetParam() + "://" + user + ":" + encoded + url.substr(url.find('@')), postgres ? "SELECT 'in'" : "SELECT 'x', 'in'"),
              "in");
    here.execute("DROP " + std::string(postgres ? "ROLE " : "USER ") + account);
}

}  // namespace connection_test
