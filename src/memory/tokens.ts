// Costs in 1/32 token, one, two or four to a character, fitted to true counts.
const plain = unpack("3J5>D;:I3;66DBD;V:?8c=&C3D6566488785787:4977;776881<7;7*9T566@E@?BCD9=A:O9@;?H9*Ia", 81, 2, -32);
const afterMark = unpack("USpCX.8R6T4'=,7J", 9, 5, -16);
const marks = unpack(",%%GC-.@56G6Q+6#fKm8Vs`Ea6+lO*7[&;m,><B.HKjGfEkrTaqoDfVUsV+pp7Fo@=)4.P3J'^%WsJr+>sn/mL7AKRmIo[`q+'?n##5,$#Q,$G#'65>7%6#,-,68;?9*", 9, 6, 1); // by the kind before
const letterPairs = unpack("sq=sossssssssssssssssqssssssssssssssssssoI9_sosqsssssssssssss]__assaqssssssqssqOO]ms]ossssosssss77777777AAAAAAAAAAAAAAAAe,l3aa5ml-Gg*rO>Sa@jOlkJs?%s+soDJ^&l@+~4l6>s4&kBJ64NXj/8k::HPskF/1PYFsA?B-o$YN+>8=A]+sn0sc>sO+kFS++XTs[ns-Bss++>~O4sFN70k>osO+H>e/#/siB-n0kksm(>nkTssFs+s+jOs=kBJr-LNmr`sFZss_#>Af,(=ZlNp+Ib++kCJq*+FsAjoOXsa=K>e+I1ZM~Tn+HpOOkBAQlKXO0>m>.&R#<>J+$=>jQ=oA8n=skBnsssssms+q4sssk>JL-':+.>`'R0+K>@~;0pKa%M6:P$Mkk?Sa4k,aB<n7K*+0kFJ/CCOa/ml,lqT4#>Js+44ss4sXosaOkB8s~s/ssPs*rXs++F~=bsss+sopnsm+bAnfsssseM", 9, 6, -16);
const letterRuns = unpack("`PDTplih@kRdI^FS<q=~14+se[P_^omVnUsV_R56FV)65s+#jj^8j%^#;~5rBO5oZ'jI>amRhmhb&@`Y*(+,/`'bh7>dfX84SamlOSS`&%X&Yj[c_[(o=`.;+XmUqKZ(2,=4)gRd@aacF$aTm.@s=cd`Z[;.bTVQ:=[[Pjlda6Ic6+I3)+jR'5L2mNo29D6j<]q7?+RaPX,<=[A79pa~2/%,j=^(RWP6(?+3Yhj:O_?^O1s5mB%+2#a_2s%h$>=n)S1`.W`I[<*msm;_aG~dW[a:VrHF`f8%HG]*p5~5l8=2^'+R79[,PMZ#_:sr0;ZVPk<4YAqhU6?C&*pW~qhUc(;dmb(nR=PQ/m7Y@g_M=F.m^HeEY`[`hP/+;0)qXbDD#F=ldRR4Zd5jkZnmfdQU(2f5a+XokGHO;F[&5j#AH>piDX3n[`X)+m1(q-]<mk5U_&h.%~#Z%E]qi_=U6'W.-`hCmkdYR__S@pdjl9dFYq/9W[V%s+ssP1_CES#e)OG6)6;1V21Es+J_p5m4rZkksq(n*pWD[1:ksA`(8Y;=hHb)n;D`0,nX*mkK_>Dl;a4D&%2%',plYm#Gm<Ns_F~=aI@(k[@~[?9nAXLEn[_[9(ZD:rO5QmA7OXX%_m/sq;7*8:<_j%C?XoW%l2,A(5;g*=<XYYs[_D.KlZ6;[*,s;amZ_1R]R@=drI#9M9?VspZsS86da4p+[PQQpXR(C7XX,9~[>UmkWCm:629[b548Pe)_J:;(=;rkkiqE;sYO;M#K-G*:;EAq75n;Q7l50qi[[SX_r9Z&rqqP;OCHZd_^~+jr/_fajY;&s_OMa/qO<O)OIm1~'9Y`k&g^MRHX2Zmc[+_s[)';qY$aGa754srpa6)<Np.22,,%=+%)$QWV^S6pKm=F&RjSY/6F856h<m#XM3UE)#r+#RnJ[T(Z;*AVYf;*sb#Rq)5r`h06ja$]MWO+%Y`f8=Rdp~7<]oqbR#Wd[5jY`,Ls__?kV<X7Y5](5=lJin[[(kDj[<OaQegHc6s?", 3, 18, -18); // four letters, hashed
const blocks = unpack(";;;;I5;;;;;;;;;;;;;~OBU;BOOOO/(~B//~I5I;~;B(5I/5B/;;B5/OIU~BII~;~~~U~U~~5/5~5(/I5/5U;/(~I;BU;/5~;(;~;//~;/(~O(5~;/5~IIO~5~IIUB~~5/U~~~//~~~~~~~~OBUIBU~BB~UI~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~(B;OI~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~;~~~~~~~;;;;;;;;UIUI~~~O55~~U/U~OB~~B~/OOI~B~~(~5~~~~~~U~~I~BU~~/IU~5/I~", 81, 2, -16); // 64 code points each; from U+3400, 2048
const characters = unpack("<<:Gomshs7OV$+V)d`[F<,(Z>~YN-1D[.p^X9lm#i#kFKKKKKKKKX<Ys#B+drs%mrqm__q^@[_aqq@nRaR#s;p;+_[%@m%E_s#=jqEp*CDsa~Yaj[`Ea=ms%W+qks+8sSsXaU+l)ssUnm_%j`*Qbq[j=q*+.Vs)=FL%I=5rR=;qsssZXkhqskqaY=XUW`p~7ksYmamr;CW)k6[=mqsj7YknGjq1_=)rs=R%s+=>dm_7@5;m7R;[`Uh5am[_[pg5a", 3, 32, -24); // from U+3000, hashed
const pairs = unpack("_ss;^bY2rP77[l=m8rqm6<k'F*jb295;[ip*m=q+=mrXanP=4jXdRX>Xm7i(^p[q[qp5LRskdRSkJsk^U/Z<^2js+&Y<8=g%Mkag=[.kkSZR<[_Mj5UDaXVDn`[;r^_CC=P;=CXnmF^s]FqAbY*Frs<U~rF.96as*Dr*p^7;Wj.#X@bUP=qo;ZgV&Rssc8Pm;mXc6a;)jn2rq_m[UMMm@*mY%4[Yps[]=:I;=qEnDRhsR`5kr+mi[-;Lr_m4[%(mq+`mdaa^[_@=a~aFqs%8l40p<j$HL_n(c+`7<;X^#U%.A/jGXanZF<[m(_BB7Xbia'Xp;XA_Yh7ac)=$C7dDL#=ssqk0[dmZ>1a:s+ngs<9msXaC2<$_OWpc@Ompm&Rc$;Y6khnka_&RF,@%aj[qhD5XmsFOrsFl(Xsgq[q$+q74l8F7r]mq;B+T%rp=X7kkaE[?[_D%;=k~:Wqn[-s_R)]m;Q%7qF$7/Xd'_a[qlr6+aDO.a#_Fs[*Xh=ii=q=9*4^e'4=;Q)==OVs5sOXj%>.83=kamnm77k_k9kUEdm0mslm%sb7S^>rF[Y<XNa1KnOnq/iYXl;sP^>JL5D>~=IpFm-L@I_a2aYg)=XkaF3)pqpA3?kWaXI&DnIs`nk@lCsjD<gna+oaMsRHshrOk_pn_4c]m%ppjqnSjUsaar<p6^nF`qag:qVTO_@O=eFW/=ZVX4TIYp=mqm(^=k*gdK6Y=Vm,XB_i;`<d+s8%4=o3)7d#f25^a=1sss2Ol:$d*gI[an5&CrYpqF+Qs`_<in]FnC)5=6Y:;r@<`2kmVXRmf^+6<Q-ZYjXp2k*^=P*K0sja4k[gia^o43@@42==p=pjdYe$.7sa+WR2:s=/lM+8kr,qn?Co~ja_a#8sX:kdksk:a6]dCjmM6%j~kpjR*j>F+.PpXMos=:%?mdsd/(?pqk7=A7%7L24^;P[X;Sq[s]**mlmEme4hgW;dW#^j5:VDTXb~s4pFp=qC_$^=;ag_rU>TsIdsqiqq_@V=_kD/F", 3, 24, -18); // not Latin, hashed

function unpack(text: string, levels: number, step: number, low: number): Int16Array {
  const per = levels === 81 ? 1 : levels === 9 ? 2 : 4;
  return Int16Array.from({ length: text.length * per }, (_, i) => {
    const code = text.charCodeAt(i / per) - 35;
    const value = code === 91 ? 57 : code; // "~" for the backslash: an escape is longer
    return (Math.floor(value / levels ** (i % per)) % levels) * step + low;
  });
}

// Kinds of code units. The unknown one before the text counts as OTHER.
const SPACE = 0;
const LINE = 1;
const MARK = 2;
const DIGIT = 3;
const OTHER = 4;
const LETTER = 5;
const APOSTROPHE = 6;

// More than any context can save the text after it, so that cutting never lowers the sum.
const START = 40;

// ASCII: 1 to 26 for a letter, 32 more for a capital; from 64 for punctuation.
const ascii = new Uint8Array(128);
for (let code = 33, mark = 64; code < 127; code++) {
  const low = code | 32;
  if (low > 96 && low < 123) ascii[code] = low - (code < 97 ? 64 : 96);
  else if (code < 48 || code > 57) ascii[code] = mark++;
}

const hash = (value: number, bits: number): number => Math.imul(value, 2654435761) >>> (32 - bits);

/**
 * Estimates the tokens of a text: a whole number, 0 for "". The unit is a token of `o200k_base`.
 *
 * It is made to bound the true count of 200 characters or more: at most 5 % under it and, for
 * natural text, at most 15 % over it on average. `scripts/measure-tokens.ts` measures how far that
 * holds. Claude's tokenizer counts up to 1.35 times as many: the caller's factor.
 *
 * Pieces may be counted apart: estimate(a + b) <= estimate(a) + estimate(b), wherever the cut is,
 * and estimate(a) <= estimate(a + b).
 */
export function estimateTokens(text: string): number {
  const end = text.length;
  let sum = end === 0 ? 0 : START;
  let kind = OTHER;
  let last = 0;
  let word = 0; // its last four letters, five bits each
  let capital = 0;
  let count = 0; // of spaces or digits in a row
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    let found = 0;
    if (code < 128) found = ascii[code]!;
    else if ((code > 0xbf && code < 0x250) || code >> 8 === 0x1e) found = 27 + (code & 3);
    let next = OTHER;
    let cost = kind === APOSTROPHE ? plain[26]! : 0;
    let least = 0;
    if (found > 0 && found < 64) {
      const letter = found & 31;
      const upper = found >> 5;
      if (kind === LETTER && upper <= capital) {
        word = ((word << 5) | letter) & 0xfffff;
        cost = letterPairs[word & 1023]! + letterRuns[hash(word, 12)]! + upper * plain[75]!;
        if (cost > 24) cost = 24;
      } else {
        word = letter;
        cost = plain[27 + letter]! + plain[59 + 2 * kind + upper]!;
        if (kind === MARK) cost += afterMark[ascii[last]! - 64]!;
        least = kind === APOSTROPHE ? 2 : 5;
      }
      if (cost < least) cost = least;
      if (code > 127) cost += plain[code > 0x17f ? 77 : 76]!;
      capital = upper;
      next = LETTER;
    } else if (code === 32) {
      count = kind === SPACE ? count + 1 : 0;
      cost += plain[count > 1 ? 8 : 1 + kind]!;
      next = SPACE;
    } else if (code > 47 && code < 58) {
      count = kind === DIGIT ? count + 1 : 0;
      cost += plain[count % 3 === 0 ? 23 : 24]!;
      next = DIGIT;
    } else if (code === 10 || code === 13 || code === 9) {
      cost += plain[kind + (code === 9 ? 16 : 9)]!;
      next = LINE;
    } else if (found > 0) {
      cost += marks[32 * (code === last ? 7 : kind) + found - 64]!;
      next = code === 39 && kind === LETTER ? APOSTROPHE : MARK;
    } else if (code < 128) {
      cost += plain[25]!;
    } else if (code >> 11 === 27) {
      // Surrogates: what the pair costs above a fixed cost of the high one is the low one's.
      if (code < 0xdc00) cost += plain[80]!;
      else if (last >> 2 !== 0x360f) cost += plain[81]!;
      else cost += blocks[240 + ((last & 3) << 4) + ((code >> 6) & 15)]!;
    } else {
      cost += blocks[code < 0x3400 ? code >> 6 : 208 + (code >> 11)]!;
      if (code > 0x2fff) cost += characters[hash(code, 10)]!;
      if (last < 0x370) cost += plain[kind === SPACE ? 79 : 78]!;
      else cost += pairs[hash(last * 31 + code, 12)]!;
      least = code < 0xf00 ? 3 : 8;
    }
    sum += cost < least ? least : cost;
    kind = next;
    last = code;
  }
  return Math.ceil(sum / 32);
}
