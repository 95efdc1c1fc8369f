"""Short sentences, as people write reviews, by the encoding that their writing is often in."""

_SENTENCES = {
    "gb18030": "物流很快，非常满意|味道难吃，非常失望|性价比高，值得购买|价格太贵，包装破损|质量很好，下次还会再买|"
    "客服态度很差，不推荐|书的内容很丰富|房间很干净，服务也不错|早餐种类太少|电池续航时间不够长",
    "big5hkscs": "物流很快，非常滿意|味道難吃，非常失望|性價比高，值得購買|價格太貴，包裝破損|品質很好，下次還會再買|"
    "客服態度很差，不推薦|書的內容很豐富|房間很乾淨，服務也不錯|早餐種類太少|電池續航時間不夠長",
    "cp932": "この商品はとても良かったです。|配送が遅くて残念でした。|また購入したいと思います。|"
    "値段のわりに品質が悪い。|使いやすくて気に入っています。|すぐに壊れてしまいました。|対応が丁寧で安心しました。",
    "cp949": "배송이 정말 빨라요|품질이 너무 나빠요|다시 구매하고 싶습니다|가격에 비해 별로입니다|아주 만족합니다|"
    "추천하지 않아요|포장이 깔끔하고 좋아요|색상이 사진과 달라요",
    "cp1252": "la qualité est très bonne|livraison rapide, je suis ravi|déçu, ça ne marche pas|"
    "emballage abîmé à l'arrivée|für den Preis in Ordnung, schöne Farbe|größer als erwartet|"
    "muy bueno, pequeño pero útil|não gostei da cor",
}
SENTENCES = {encoding: sentences.split("|") for encoding, sentences in _SENTENCES.items()}
SENTENCES["euc_jp"] = SENTENCES["cp932"]
