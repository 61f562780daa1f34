// What a reply means.
#include <weft/http.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outcome_test {

using testing::HasSubstr;
using weft::outcome;

outcome of(unsigned status, std::string body = {})
{
    weft::http_reply r;
    r.status = status;
    r.body = std::move(body);
    return weft::outcome_of(r);
}

TEST(HttpOutcome, FollowsTheTable)
{
    using kind = outcome::kind;
    struct row
    {
        unsigned    status;
        char const* body;
        kind        what;
        char const* text;
    };
    for (auto const& r : {
             row{200, "", kind::success, ""},
             row{200, "{\"left\":3}", kind::success, ""},
             row{201, "", kind::success, ""},
             row{204, "", kind::success, ""},
             row{202, "", kind::error, "answered 202"},
             row{206, "", kind::error, "answered 206"},
             row{409, "", kind::failure, "answered 409"},
             row{409, "out of stock\n", kind::failure, "out of stock"},
             row{409, "{\"dtm_result\":\"FAILURE\",\"message\":\"out of stock\"}", kind::failure, "out of stock"},
             row{409, "{\"code\":7}", kind::failure, "{\"code\":7}"},
             row{409, "{\"message\":", kind::failure, "{\"message\":"},
             row{425, "", kind::ongoing, "answered 425"},
             row{425, "FAILURE", kind::ongoing, "answered 425"},
             row{301, "", kind::error, "answered 301"},
             row{400, "FAILURE", kind::error, "answered 400"},
             row{404, "", kind::error, "answered 404"},
             row{500, "{\"dtm_result\":\"FAILURE\"}", kind::error, "answered 500"},
             row{503, "ONGOING", kind::error, "answered 503"},
             // Old participants say it in a body of 200; a word that happens to stand in one means nothing.
             row{200, "{\"dtm_result\":\"SUCCESS\"}", kind::success, ""},
             row{200, "{\"dtm_result\":\"FAILURE\",\"message\":\"no money\"}", kind::failure, "no money"},
             row{200, "{\"dtm_result\":\"ONGOING\"}", kind::ongoing, "answered ONGOING"},
             row{200, "{\"order\":\"FAILURE-ONGOING-7\"}", kind::success, ""},
             row{200, "{\"nested\":{\"dtm_result\":\"FAILURE\"}}", kind::success, ""},
             row{200, "FAILURE", kind::success, ""},
             row{200, "[\"dtm_result\",\"FAILURE\"]", kind::success, ""},
             row{200, "\xEF\xBB\xBF{\"dtm_result\":\"FAILURE\",\"message\":\"no money\"}", kind::failure, "no money"},
             row{200, "{\"dtm_result\":\"FAILURE\",\"message\":\"\xC3\xBB\xC7\xAE!\"}", kind::failure, "\xC3\xBB\xC7\xAE!"},
             // What was meant cannot be read: asked again (I6).
             row{200, "<br/>Notice: …{\"dtm_result\":\"FAILURE\"}", kind::error, "answered 200 with a dtm_result that is no JSON"},
             row{200, "{\"dtm_result\":\"FAILURE\"", kind::error, "answered 200 with a dtm_result that is no JSON"},
         })
    {
        auto const o = of(r.status, r.body);
        EXPECT_EQ(static_cast<int>(o.what), static_cast<int>(r.what)) << r.status << ' ' << r.body;
        EXPECT_EQ(o.text, r.text) << r.status << ' ' << r.body;
    }
}

TEST(HttpOutcome, KeepsCodeAndPayloadOfAFailure)
{
    struct row
    {
        unsigned    status;
        std::string body, text, details;
    };
    weft::failure const says_no("out of \"stock\"", "sold-out", std::vector<double>{0.1, -0.0});
    for (auto const& r : {
             row{409, weft::failure_body(says_no), says_no.reason(), says_no.details()},
             row{200, weft::failure_body(says_no), says_no.reason(), says_no.details()},
             row{409, weft::failure_body(weft::failure("no")), "no", ""},
             row{409, R"({"message":"no","code":7})", "no", R"({"code":"7"})"},
             row{409, R"( {"message":"no","code":["x"],"payload":{"a":null}})", "no", R"({"payload":{"a":null}})"},
             row{409, R"({"message":"no","code":""})", "no", ""},
             row{409, R"(["code"])", R"(["code"])", ""},
         })
    {
        auto const o = of(r.status, r.body);
        EXPECT_EQ(static_cast<int>(o.what), static_cast<int>(outcome::kind::failure)) << r.body;
        EXPECT_EQ(o.text, r.text) << r.body;
        EXPECT_EQ(o.details, r.details) << r.body;
    }
}

TEST(HttpOutcome, ReadsWhatALongBodySays)
{
    auto const saying = [](std::string const& word) {
        return of(200, "{\"trace\":\"" + std::string(100'000, 'x') + "\",\"dtm_result\":\"" + word + "\"}").what;
    };
    EXPECT_EQ(static_cast<int>(saying("FAILURE")), static_cast<int>(outcome::kind::failure));
    EXPECT_EQ(static_cast<int>(saying("ONGOING")), static_cast<int>(outcome::kind::ongoing));
    EXPECT_EQ(static_cast<int>(saying("SUCCESS")), static_cast<int>(outcome::kind::success));
}

TEST(HttpOutcome, KeepsReasonsShortAndWhole)
{
    std::string long_text;
    while (long_text.size() < (1u << 20))
        long_text += "缺货";
    auto const o = of(409, long_text);
    EXPECT_LE(o.text.size(), 1'030u);
    EXPECT_TRUE(weft::detail::is_utf8(o.text));
    EXPECT_TRUE(o.text.ends_with("…"));
    EXPECT_LE(of(409, "{\"message\":\"" + std::string(5'000, 'x') + "\"}").text.size(), 1'030u);
}

TEST(HttpHeader, RefusesWhatCannotBeSent)
{
    for (auto const* name : {"", "a b", "a:b", "ä", "Content-Length", "transfer-encoding", "expect"})
        EXPECT_THROW(weft::detail::check_header(name, "x"), weft::misuse) << name;
    for (auto const* value : {"a\r\nb: c", "a\nb", "\x01"})
        EXPECT_THROW(weft::detail::check_header("x-tenant", value), weft::misuse);
    EXPECT_NO_THROW(weft::detail::check_header("x-tenant", "blue\tgreen; ü"));
}

}  // namespace outcome_test
